import type { ChangeStreamDocument } from 'mongodb'
import { assertChangeEvent } from '../change-event.js'
import { TransformError } from '../errors.js'
import { markFactory } from '../factories.js'
import { type EjsonMode, ejsonBytes } from '../message/ejson-encoder.js'
import { entryId } from '../message/entry-id.js'
import { clusterTimeOf, fullDocumentOf, secondsOf, tokenOf } from '../message/event-facts.js'
import { MAX_ROUTING_KEY_BYTES, routingKeyTemplate } from '../message/routing-key.js'
import { withNeeds } from '../needs.js'
import { assertKnown, assertOneOf, fail } from '../options.js'
import type { RabbitMessage } from '../types.js'
import { checkEntry, type NewOutboxEntry } from './entry.js'

/** Options of {@link outboxRouter}. */
export interface OutboxRouterOptions {
  /**
   * A template with `{aggregateType}`, `{aggregateId}` and `{type}`, or a function of the entry. What a template takes
   * from the entry is encoded (`.`, `*`, `#` and `%` as `%XX`); a function's result is taken as it is, at most 255 bytes.
   *
   * @default '{aggregateType}.{type}'
   */
  readonly routingKey?: string | ((entry: NewOutboxEntry) => string)
  /** At most 255 bytes; `''` is the broker's default exchange. @default the publisher's exchange */
  readonly exchange?: string
  /** How the BSON types of the payload are written, see docs/messages.md. @default 'relaxed' */
  readonly ejson?: EjsonMode
}

const PLACEHOLDERS = ['aggregateType', 'aggregateId', 'type'] as const
/** Longer tokens and ids are left out, as in the other shapes: they would crowd out the rest. */
const MAX_TOKEN_LENGTH = 8 * 1024
const MAX_ID_BYTES = 255

/**
 * Shapes a message of each entry that is inserted into an outbox: its payload is the body, its `type` the message's
 * type, its `_id` the message id, the same on every copy. Every other event is filtered, also the delete of an entry.
 * Give the pipeline `ordering: byAggregate`, or entries of one aggregate may overtake each other.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. The returned function throws TransformError
 * `CDC_OUTBOX_ENTRY_INVALID`, `CDC_ENCODE_FAILED`, `CDC_ROUTING_KEY_TOO_LONG`, `CDC_MESSAGE_INVALID`,
 * and `CDC_TRANSFORM_FAILED` for what is no change event.
 *
 * @example
 * import { outboxRouter } from 'mongo-rabbit-cdc'
 *
 * const toMessage = outboxRouter({ routingKey: 'events.{aggregateType}.{type}' })
 */
export function outboxRouter<E extends { readonly operationType: string } = ChangeStreamDocument>(
  options: OutboxRouterOptions = {},
): (event: E) => RabbitMessage | null {
  assertKnown('outboxRouter', options, ['routingKey', 'exchange', 'ejson'])
  const { exchange, ejson = 'relaxed', routingKey = '{aggregateType}.{type}' } = options
  assertOneOf('ejson', ejson, ['relaxed', 'canonical'])
  if (exchange !== undefined && (typeof exchange !== 'string' || Buffer.byteLength(exchange) > 255)) {
    fail('exchange', 'a string of at most 255 bytes', exchange)
  }
  const keyOf = routingKeyOf(routingKey)

  function outboxEntry(event: E): RabbitMessage | null {
    assertChangeEvent(event)
    if (event.operationType !== 'insert') return null
    const inserted = event as unknown as ChangeStreamDocument
    const document = fullDocumentOf(inserted)
    const entry = checkEntry(document)
    const id = entryId((document as { readonly _id?: unknown })._id)
    const timestamp = secondsOf(inserted)
    return {
      body: ejsonBytes(entry.payload, ejson),
      routingKey: keyOf(entry),
      ...(exchange !== undefined && { exchange }),
      ...(Buffer.byteLength(id) <= MAX_ID_BYTES && { messageId: id }),
      contentType: 'application/json',
      type: entry.type,
      ...(timestamp !== undefined && { timestamp }),
      headers: { ...entry.headers, ...ownHeaders(inserted, entry) },
    }
  }
  return withNeeds(outboxEntry, { exactTypes: ejson === 'canonical' })
}

markFactory('outboxRouter', outboxRouter)

function routingKeyOf(option: string | ((entry: NewOutboxEntry) => string)): (entry: NewOutboxEntry) => string {
  if (typeof option === 'function') return entry => checkedKey(option(entry))
  if (typeof option !== 'string') fail('routingKey', 'a template or a function', option)
  const template = routingKeyTemplate(option, PLACEHOLDERS)
  return entry => template(name => (name === 'aggregateId' ? entryId(entry.aggregateId) : entry[name]))
}

function checkedKey(key: unknown): string {
  if (typeof key !== 'string') {
    throw new TransformError('CDC_MESSAGE_INVALID', `Expected \`routingKey\` to return a string, got a ${typeof key}`)
  }
  if (Buffer.byteLength(key) <= MAX_ROUTING_KEY_BYTES) return key
  const text = `Expected \`routingKey\` to return at most ${MAX_ROUTING_KEY_BYTES} bytes, got ${Buffer.byteLength(key)}`
  throw new TransformError('CDC_ROUTING_KEY_TOO_LONG', text)
}

function ownHeaders(event: ChangeStreamDocument, entry: NewOutboxEntry): { readonly [name: string]: string } {
  const clusterTime = clusterTimeOf(event)
  const token = tokenOf(event)
  return {
    'x-cdc-aggregate-type': entry.aggregateType,
    'x-cdc-aggregate-id': entryId(entry.aggregateId),
    ...(clusterTime !== undefined && { 'x-cdc-cluster-time': clusterTime }),
    ...(token !== undefined && token.length <= MAX_TOKEN_LENGTH && { 'x-cdc-token': token }),
  }
}
