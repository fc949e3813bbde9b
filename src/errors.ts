/**
 * Every way in which this library says no. Classes tell the consequence, codes tell the cause; `docs/errors.md` has an
 * entry per code. Tell ours from others with {@link isCdcError}: it looks at a brand, so it also knows errors of
 * another copy of this package (ESM beside CJS), where `instanceof` would not.
 */

const BRAND = Symbol.for('mongo-rabbit-cdc.error')

/** Code → what it says, in one sentence. The documentation of each stands in `docs/errors.md`. */
export const errorCodes = {
  // Options and use
  CDC_OPTION_INVALID: 'An option has a value outside its range or of the wrong type',
  CDC_OPTION_UNKNOWN: 'An option that does not exist, most often a misspelt one',
  CDC_STATE_INVALID: 'A call that the present state does not allow, such as a second start',
  CDC_START_ABORTED: 'The pipeline was stopped before this was through',
  CDC_START_TIMEOUT: 'The start took longer than `startTimeoutMs`',
  CDC_OUTBOX_NO_TRANSACTION: 'An entry of an outbox was to be written outside a transaction',
  // Source
  CDC_NOT_REPLICA_SET: 'Change streams need a replica set or a sharded cluster, and this is a standalone server',
  CDC_SOURCE_AUTH_FAILED: 'MongoDB refused the user name or the password',
  CDC_SOURCE_UNAUTHORIZED: 'The MongoDB user may not watch this scope',
  CDC_SOURCE_TLS_FAILED: 'The certificate of MongoDB was not accepted, or the port does not speak TLS',
  CDC_WATCH_INVALID: 'The server refused what is to be watched: namespace, pipeline stage or option',
  CDC_EVENT_ID_LOST: 'A pipeline stage removes or changes the `_id` of the events, which is their resume token',
  CDC_HISTORY_LOST: 'The oplog no longer holds the saved position: the changes since then are gone',
  CDC_POSITION_NOT_FOUND: 'The server does not find the saved position, and going back to its time did not help',
  CDC_POSITION_FOREIGN: 'The saved position belongs to another replica set',
  CDC_POSITION_INVALID: 'The saved position is not one that this source has written, or the server cannot read it',
  CDC_POSITION_IN_FUTURE: 'The saved position is ahead of the time of the server',
  CDC_IMAGE_MISSING: 'A document image is required, and the server does not have it',
  CDC_EVENT_TOO_LARGE: 'One event is larger than the 16 MiB that the server can send, even without its documents',
  CDC_EVENT_UNDECODABLE: 'An event holds bytes that can not be decoded',
  CDC_SOURCE_UNAVAILABLE: 'MongoDB did not answer, or answered with an error that passes',
  // Checkpoint
  CDC_CHECKPOINT_CORRUPT: 'The stored checkpoint is truncated or was changed: its checksum does not fit',
  CDC_CHECKPOINT_FOREIGN: 'The stored checkpoint belongs to another pipeline',
  CDC_CHECKPOINT_FAILED: 'The checkpoint store could not load or save',
  CDC_FENCED: 'Another instance has the lease: nothing is saved without it',
  CDC_LEASE_EXPIRED: 'The lease ran out before it could be renewed',
  // Transform and message
  CDC_TRANSFORM_FAILED: 'A transform threw',
  CDC_TRANSFORM_UNDEFINED: 'A transform returned `undefined`: most often a forgotten `return`',
  CDC_TRANSFORM_TIMEOUT: 'A transform took longer than `transformTimeoutMs`',
  CDC_RENAME_CONFLICT: 'A field would get a name that another field of the document has',
  CDC_VALIDATION_FAILED: 'A document does not fit the schema of `validate`',
  CDC_ENRICH_TIMEOUT: 'What `enrich` asked did not answer in time',
  CDC_OUTBOX_ENTRY_INVALID: 'A document in the outbox is not an entry that can be made into a message',
  CDC_ENCODE_FAILED: 'The body of a message could not be encoded',
  CDC_DOCUMENT_MISSING: 'The event has no document, and `onMissingDocument` is "fail"',
  // Publisher
  CDC_BROKER_UNAVAILABLE: 'RabbitMQ did not answer, or closed the connection',
  CDC_BROKER_AUTH_FAILED: 'RabbitMQ refused the user name or the password',
  CDC_BROKER_CREDENTIALS_FAILED: 'The function in `credentials` or `tls` failed, or gave something else',
  CDC_BROKER_TLS_FAILED: 'The certificate of RabbitMQ was not accepted, or the port does not speak TLS',
  CDC_BROKER_VHOST_MISSING: 'The virtual host does not exist, or its connection limit is reached',
  CDC_BROKER_ACCESS_REFUSED: 'The RabbitMQ user may not configure or write this exchange or queue',
  CDC_TOPOLOGY_MISMATCH: 'An exchange or queue exists with other properties than those asked for',
  CDC_TOPOLOGY_MISSING: 'An exchange or queue that is only checked does not exist',
  CDC_NACKED: 'RabbitMQ did not take the message, most often because a queue is full',
  CDC_UNROUTABLE: 'No queue is bound for the routing key: the message was returned',
  CDC_MESSAGE_REFUSED: 'RabbitMQ closed the channel because of this message',
  CDC_MESSAGE_TOO_LARGE: 'The message is larger than `maxMessageBytes`',
  CDC_MESSAGE_INVALID: 'The message has a property that AMQP can not carry',
  CDC_ROUTING_KEY_TOO_LONG: 'The routing key is longer than 255 bytes in UTF-8',
  CDC_HEADERS_INVALID: 'A header has a value that AMQP can not carry, or the headers are over 64 KiB',
  CDC_PUBLISHER_CLOSED: 'The publisher is closed',
  // Pipeline
  CDC_EVENT_FAILED: 'An event failed and `onFailedEvent` is "stop"',
  CDC_POLICY_FAILED: 'The function in `onFailedEvent` threw, or returned what is no action',
  CDC_DEAD_LETTER_FAILED: 'The dead letter of an event could not be made, or was refused',
  CDC_CIRCUIT_OPEN: 'More events failed than `circuitBreaker` allows',
  CDC_DEAD_LETTER_INVALID: 'A message is no dead letter, or one that can not be sent again by this transform',
} as const

/** A code of {@link errorCodes}. */
export type CdcErrorCode = keyof typeof errorCodes

/** What an error may carry beside its code and message. */
export interface CdcErrorDetails {
  /** The error that led to this one; of a server's error only what holds no data, session or signature. */
  readonly cause?: unknown
  /** What to do about it, one sentence. */
  readonly hint?: string
  /** Whether the same call can succeed later. @default false */
  readonly retryable?: boolean
}

/** Base of all errors of this library: a code, a message that says expected and got, a hint, and the cause. */
export class CdcError extends Error {
  readonly code: CdcErrorCode
  /** What to do about it, one sentence. */
  readonly hint: string | undefined
  /** Whether the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean

  constructor(code: CdcErrorCode, message: string, { cause, hint, retryable = false }: CdcErrorDetails = {}) {
    super(hint === undefined ? message : `${message} (${hint})`, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
    this.retryable = retryable
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true })
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** Wrong options or wrong use: thrown before anything was started, nothing was touched. */
export class OptionsError extends CdcError {}

/** The change stream can't be opened or can't go on; when it leaves the source, the pipeline stops. */
export class SourceError extends CdcError {}

/** The stored position can't be used or can't be saved; a pipeline never goes on from a guess instead. */
export class CheckpointError extends CdcError {}

/** One event could not be made into messages; `onFailedEvent` decides what happens to it. */
export class TransformError extends CdcError {}

/** RabbitMQ can't be used as configured: log-in, access or topology; nothing was lost, messages stay unconfirmed. */
export class BrokerError extends CdcError {}

/** Why one message was not taken. */
export type RejectReason = 'nack' | 'unroutable' | 'refused' | 'invalid'

/** One message was not taken by the broker; it is not in flight any more, the caller decides what follows. */
export class PublishError extends CdcError {
  readonly reason: RejectReason

  constructor(code: CdcErrorCode, reason: RejectReason, message: string, details?: CdcErrorDetails) {
    super(code, message, details)
    this.reason = reason
  }
}

/** Whether a value is an error of this library, also of another copy of it. */
export function isCdcError(value: unknown): value is CdcError {
  return typeof value === 'object' && value !== null && BRAND in value
}

/** What MongoDB's errors quote behind these words is data: the command with session and signature, or a key. */
const QUOTED = / to execute command| dup key: /

/** The message of whatever was thrown, on one line and at most 500 characters, without what MongoDB quotes in it. */
export function messageOf(error: unknown): string {
  const [text = ''] = textOf(error).split(QUOTED, 1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters from elsewhere must not forge log lines
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').slice(0, 500)
}

/** Anything can be thrown, also what has no text. */
function textOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'a value without text'
  }
}
