import type { ChangeStreamDocument } from 'mongodb'
import { OptionsError, TransformError } from '../errors.js'
import { assertBoolean, assertFunction, assertText } from '../options.js'
import { setField } from '../set-field.js'
import type { Encoder, HeaderValue, RabbitMessage, TransformContext } from '../types.js'
import { isWellFormed } from '../well-formed.js'
import type { EjsonMode } from './ejson-encoder.js'
import { entryId } from './entry-id.js'
import {
  type ChangeEvent,
  clusterTimeOf,
  documentIdOf,
  documentOriginOf,
  namespaceOf,
  orderOf,
  secondsOf,
  tokenOf,
  transactionOf,
} from './event-facts.js'
import { MAX_ROUTING_KEY_BYTES, routingKeyTemplate } from './routing-key.js'
import { transactionIndexOf } from './transaction-index.js'

/** What all message shapes have in common: everything of a message but its body. */
export interface MessageOptions<E extends ChangeEvent = ChangeStreamDocument> {
  /**
   * A template with `{db}`, `{coll}`, `{operation}` and `{id}`, or a function. What a template takes from data is
   * encoded (`.`, `*`, `#`, `%` and what isn't printable as `%XX`), a part that the event lacks is `_`, and a key over
   * 255 bytes has its long parts shortened with a digest. A function's result is taken as it is; over 255 bytes the
   * event fails with `CDC_ROUTING_KEY_TOO_LONG`. Characters of a topic that come from data unencoded can reach queues
   * that were never meant.
   *
   * @default the publisher's `routingKey`
   */
  readonly routingKey?: string | ((event: E) => string)
  /**
   * At most 255 bytes; `''` is the broker's default exchange. Fixed, never chosen from data: a document could send
   * itself anywhere the user may write.
   *
   * @default the publisher's exchange
   */
  readonly exchange?: string
  /**
   * How BSON types are written, see docs/messages.md. `canonical` keeps every type and makes bodies about twice as
   * long; it needs a source with `promoteValues: false`.
   * The pipeline sees to the source when the shape is a step of `pipe` or `map`; where a function of yours calls it, set
   * `promoteValues: false` on the source yourself, or ints and doubles look alike.
   *
   * @default 'relaxed'
   */
  readonly ejson?: EjsonMode
  /**
   * How the body is written instead: `ejsonEncoder()`, `bsonEncoder()`, or one of your own, such as Avro; see
   * docs/encoders.md. Not together with `ejson`.
   *
   * @default ejsonEncoder()
   */
  readonly encoder?: Encoder
  /** Further headers. The shape's own (`x-cdc-…`) win. The publisher refuses `CC` and `BCC`, which route. */
  readonly headers?: (event: E) => { readonly [name: string]: HeaderValue }
  /**
   * Whether the whole resume token goes along as `x-cdc-token`, up to 8 KB of it. For the order `x-cdc-order` is enough,
   * which every message has: the token embeds the `_id`, and a longer header makes RabbitMQ slower.
   *
   * @default false
   */
  readonly tokenHeader?: boolean
}

/** The names of {@link MessageOptions}. */
export const messageOptionNames: readonly string[] = [
  'routingKey',
  'exchange',
  'ejson',
  'encoder',
  'headers',
  'tokenHeader',
]

/** A header of data above this length, in bytes, is left out: it would crowd out the others. */
export const MAX_HEADER_LENGTH: number = 8 * 1024

const PLACEHOLDERS = ['db', 'coll', 'operation', 'id'] as const

/**
 * Checks the options and returns what makes a message of a body and its event.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`. The returned function throws TransformError `CDC_ROUTING_KEY_TOO_LONG`,
 * `CDC_MESSAGE_INVALID` (a routing key that is no string) or `CDC_HEADERS_INVALID` (headers that are no object).
 */
export function messageEnvelope<E extends ChangeEvent>(
  options: MessageOptions<E>,
  { contentType, contentEncoding }: Pick<Encoder, 'contentType' | 'contentEncoding'>,
): (body: Uint8Array, event: E, context?: TransformContext) => RabbitMessage {
  const { exchange, tokenHeader = false, headers } = options
  if (exchange !== undefined) assertShortString('exchange', exchange)
  if (headers !== undefined) assertFunction('headers', headers)
  assertBoolean('tokenHeader', tokenHeader)
  const routingKey = routingKeyOf(options.routingKey)

  return function envelope(body, event, context) {
    const key = routingKey?.(event)
    const timestamp = secondsOf(event)
    const all: Record<string, HeaderValue> = {}
    addOwnHeaders(all, event, tokenHeader, context)
    if (headers !== undefined) addFurtherHeaders(all, headers(event))
    // Assigned, not spread: that takes a fraction of the time.
    const message: { -readonly [name in keyof RabbitMessage]: RabbitMessage[name] } = {
      body,
      contentType,
      type: event.operationType,
      headers: all,
    }
    if (key !== undefined) message.routingKey = key
    if (exchange !== undefined) message.exchange = exchange
    if (contentEncoding !== undefined) message.contentEncoding = contentEncoding
    if (timestamp !== undefined) message.timestamp = timestamp
    return message
  }
}

function routingKeyOf<E extends ChangeEvent>(
  option: MessageOptions<E>['routingKey'],
): ((event: E) => string) | undefined {
  if (option === undefined) return undefined
  if (typeof option === 'function') return event => checkedKey(option(event))
  if (typeof option !== 'string') {
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected `routingKey` to be a template or a function')
  }
  if (option !== '') assertText('routingKey', option)
  const template = routingKeyTemplate(option, PLACEHOLDERS)
  return event => template(placeholder => placeholderValue(event, placeholder))
}

function placeholderValue(event: ChangeEvent, placeholder: (typeof PLACEHOLDERS)[number]): string | undefined {
  if (placeholder === 'operation') return event.operationType
  if (placeholder !== 'id') return namespaceOf(event)[placeholder]
  const id = documentIdOf(event)
  return id === undefined ? undefined : entryId(id)
}

/** What a function in `routingKey` returned. @throws TransformError `CDC_MESSAGE_INVALID`, `CDC_ROUTING_KEY_TOO_LONG` */
export function checkedKey(key: unknown): string {
  if (typeof key !== 'string') {
    throw new TransformError('CDC_MESSAGE_INVALID', `Expected \`routingKey\` to return a string, got ${typeof key}`)
  }
  const bytes = Buffer.byteLength(key)
  if (bytes > MAX_ROUTING_KEY_BYTES) {
    const text = `Expected \`routingKey\` to return at most ${MAX_ROUTING_KEY_BYTES} bytes, got ${bytes}`
    throw new TransformError('CDC_ROUTING_KEY_TOO_LONG', text)
  }
  return key
}

/** Adds what isn't there yet. Last, since an object that begins with other names each time is slow to fill. */
function addFurtherHeaders(headers: Record<string, HeaderValue>, further: unknown): void {
  if (typeof further !== 'object' || further === null || Array.isArray(further)) {
    throw new TransformError('CDC_HEADERS_INVALID', 'Expected `headers` to return an object of headers')
  }
  for (const [name, value] of Object.entries(further)) {
    if (!Object.hasOwn(headers, name)) setField(headers, name, value)
  }
}

/** What the shape itself tells; wins over the same names among the further ones. */
function addOwnHeaders(
  headers: Record<string, HeaderValue>,
  event: ChangeEvent,
  tokenHeader: boolean,
  context: TransformContext | undefined,
): void {
  const { db, coll } = namespaceOf(event)
  const clusterTime = clusterTimeOf(event)
  const transaction = transactionOf(event)
  const document = documentOriginOf(event, context?.event)
  const order = orderOf(event)
  const token = tokenHeader ? tokenOf(event) : undefined
  headers['x-cdc-operation'] = event.operationType
  if (db !== undefined) headers['x-cdc-database'] = db
  if (coll !== undefined) headers['x-cdc-collection'] = coll
  if (clusterTime !== undefined) headers['x-cdc-cluster-time'] = clusterTime
  if (transaction !== undefined) {
    headers['x-cdc-transaction'] = transaction
    const index = transactionIndexOf(tokenOf(event) ?? '')
    if (index !== undefined) headers['x-cdc-transaction-index'] = index
  }
  if (document !== undefined) headers['x-cdc-document'] = document
  if (order !== undefined) headers['x-cdc-order'] = order
  if (token !== undefined && token.length <= MAX_HEADER_LENGTH) headers['x-cdc-token'] = token
}

/** A name as AMQP has them. @throws OptionsError */
export function assertShortString(name: string, value: string): void {
  if (typeof value === 'string' && Buffer.byteLength(value) <= 255 && isWellFormed(value)) return
  throw new OptionsError('CDC_OPTION_INVALID', `Expected \`${name}\` to be a well-formed string of at most 255 bytes`)
}
