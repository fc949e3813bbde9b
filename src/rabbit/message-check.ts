import { type CdcErrorCode, PublishError } from '../errors.js'
import type { RabbitMessage } from '../types.js'
import { HALF, isWellFormed } from '../well-formed.js'
import type { AmqpPublishOptions } from './amqp-types.js'
import { checkHeaders } from './header-check.js'

/** A message as it goes to the channel. */
export interface WireMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly body: Buffer
  readonly options: AmqpPublishOptions
  /** Of the body and, about, the headers: a text counts one for each UTF-16 unit, which has at most three in UTF-8. */
  readonly bytes: number
}

/** What a message inherits from the publisher. */
export interface MessageDefaults {
  readonly exchange: string
  readonly routingKey: string
  readonly persistent: boolean
  readonly mandatory: boolean
  readonly maxMessageBytes: number
  /** The header that repeats the message id. */
  readonly deduplicationHeader?: string | undefined
  /** The user that the publisher logs in as, where that is known. */
  readonly login?: string | undefined
}

/** A short string of AMQP has its length in one byte (https://www.rabbitmq.com/amqp-0-9-1-reference). */
const MAX_SHORT_BYTES = 255
/** The last second of the year 9999: more is a time in milliseconds. */
const MAX_TIMESTAMP = 253_402_300_799

/**
 * Makes what the channel sends, or throws a PublishError with reason `invalid` that isn't retryable: the broker would
 * close the channel over such a message and fail every other message in flight. No value of the message is in the text.
 */
export function checkMessage(
  message: RabbitMessage,
  messageId: string,
  publishedAt: string,
  defaults: MessageDefaults,
): WireMessage {
  const given: unknown = message?.body
  if (!(given instanceof Uint8Array)) refuseBody(given)
  if (given.byteLength > defaults.maxMessageBytes) {
    const limit = `\`maxMessageBytes\` is ${defaults.maxMessageBytes}`
    fail('CDC_MESSAGE_TOO_LARGE', `The body has ${given.byteLength} bytes, and ${limit}`)
  }
  const { exchange = defaults.exchange, routingKey = defaults.routingKey } = message
  const { persistent = defaults.persistent, mandatory = defaults.mandatory, timestamp } = message
  checkShort('exchange', exchange)
  checkShort('routingKey', routingKey, 'CDC_ROUTING_KEY_TOO_LONG')
  checkShort('messageId', messageId)
  if (message.contentType !== undefined) checkShort('contentType', message.contentType)
  if (message.contentEncoding !== undefined) checkShort('contentEncoding', message.contentEncoding)
  if (message.type !== undefined) checkShort('type', message.type)
  if (timestamp !== undefined) checkTimestamp(timestamp)
  checkProperties(message, defaults.login)
  const { headers, bytes } = checkHeaders(message.headers, publishedAt, ourHeaders(message, messageId, defaults))
  return {
    exchange,
    routingKey,
    body: Buffer.isBuffer(given) ? given : Buffer.from(given.buffer, given.byteOffset, given.byteLength),
    bytes: given.byteLength + bytes,
    options: {
      mandatory,
      deliveryMode: persistent ? 2 : 1,
      messageId,
      contentType: message.contentType,
      contentEncoding: message.contentEncoding,
      timestamp,
      type: message.type,
      priority: message.priority,
      expiration: message.expiration,
      correlationId: message.correlationId,
      replyTo: message.replyTo,
      appId: message.appId,
      userId: message.userId,
      headers,
    },
  }
}

function checkShort(name: string, value: unknown, tooLong: CdcErrorCode = 'CDC_MESSAGE_INVALID'): void {
  if (typeof value !== 'string')
    fail('CDC_MESSAGE_INVALID', `Expected \`${name}\` to be a string, got a ${typeof value}`)
  // It would go out as U+FFFD: to another queue, and as a message that isn't recognised when it comes back.
  if (!isWellFormed(value)) {
    fail('CDC_MESSAGE_INVALID', `Expected \`${name}\` to be well-formed Unicode, got ${HALF}`)
  }
  // A UTF-16 unit has at most 3 bytes in UTF-8: most strings need no counting.
  if (value.length * 3 <= MAX_SHORT_BYTES) return
  const bytes = Buffer.byteLength(value)
  if (bytes > MAX_SHORT_BYTES) fail(tooLong, `Expected \`${name}\` to have at most 255 bytes in UTF-8, got ${bytes}`)
}

/** The longest expiration of RabbitMQ, in milliseconds: 49.7 days. */
const MAX_EXPIRATION = 4_294_967_295
/** Works only for who consumes on the same channel; the broker closes the channel of everybody else. */
const DIRECT_REPLY = 'amq.rabbitmq.reply-to'

/** What most messages don't have. */
function checkProperties(message: RabbitMessage, login: string | undefined): void {
  const { priority, expiration, correlationId, replyTo, appId, userId } = message
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 255)) {
    fail('CDC_MESSAGE_INVALID', 'Expected `priority` to be a whole number from 0 to 255')
  }
  if (expiration !== undefined) checkExpiration(expiration)
  if (correlationId !== undefined) checkShort('correlationId', correlationId)
  if (replyTo !== undefined) {
    checkShort('replyTo', replyTo)
    if (replyTo === DIRECT_REPLY) fail('CDC_MESSAGE_INVALID', `Expected \`replyTo\` to be a queue, got ${DIRECT_REPLY}`)
  }
  if (appId !== undefined) checkShort('appId', appId)
  if (userId === undefined) return
  checkShort('userId', userId)
  if (login !== undefined && userId !== login) {
    fail('CDC_MESSAGE_INVALID', 'Expected `userId` to be the user name that the publisher logs in with')
  }
}

function checkExpiration(value: unknown): void {
  if (typeof value === 'string' && /^\d{1,10}$/.test(value) && Number(value) <= MAX_EXPIRATION) return
  fail('CDC_MESSAGE_INVALID', `Expected \`expiration\` to be milliseconds as a string, from "0" to "${MAX_EXPIRATION}"`)
}

/** Headers that the publisher makes of properties. */
function ourHeaders(
  { CC, BCC }: RabbitMessage,
  messageId: string,
  { deduplicationHeader }: MessageDefaults,
): Record<string, unknown> | undefined {
  if (CC === undefined && BCC === undefined && deduplicationHeader === undefined) return undefined
  return {
    ...(deduplicationHeader !== undefined && { [deduplicationHeader]: messageId }),
    ...(CC !== undefined && { CC: checkKeys('CC', CC) }),
    ...(BCC !== undefined && { BCC: checkKeys('BCC', BCC) }),
  }
}

/** Anything else than a list of strings, and the broker closes the channel. */
function checkKeys(name: string, keys: unknown): readonly string[] {
  if (!Array.isArray(keys)) fail('CDC_MESSAGE_INVALID', `Expected \`${name}\` to be a list of routing keys`)
  for (const key of keys) checkShort(name, key, 'CDC_ROUTING_KEY_TOO_LONG')
  return keys
}

function checkTimestamp(value: unknown): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TIMESTAMP) return
  fail('CDC_MESSAGE_INVALID', 'Expected `timestamp` to be whole seconds since 1970, as AMQP has it, not milliseconds')
}

function refuseBody(given: unknown): never {
  const got = given === null || given === undefined ? String(given) : `a ${typeof given}`
  const hint =
    'end the transform with a message shape such as `changeEventMessage()`, or make bytes: `Buffer.from(string)`'
  fail('CDC_MESSAGE_INVALID', `Expected \`body\` to be a Uint8Array, got ${got.replace('a object', 'an object')}`, hint)
}

function fail(code: CdcErrorCode, text: string, hint?: string): never {
  throw new PublishError(code, 'invalid', text, hint === undefined ? {} : { hint })
}
