import type { ChangeStreamDocument } from 'mongodb'
import { assertChangeEvent } from '../change-event.js'
import { markFactory } from '../factories.js'
import { type EjsonMode, ejsonBytes } from '../message/ejson-encoder.js'
import { entryId } from '../message/entry-id.js'
import { clusterTimeOf, fullDocumentOf, orderOf, secondsOf } from '../message/event-facts.js'
import { assertShortString, checkedKey, MAX_HEADER_LENGTH } from '../message/message-options.js'
import { routingKeyTemplate } from '../message/routing-key.js'
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
/** AMQP's limit of a message id; a longer one is left out. */
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
  if (exchange !== undefined) assertShortString('exchange', exchange)
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
      headers: headersOf(inserted, entry),
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

/** Those of the entry, and ours; one of ours that is left out can't be forged by the entry either. */
function headersOf(event: ChangeStreamDocument, entry: NewOutboxEntry): { readonly [name: string]: string } {
  const headers: Record<string, string> = { ...entry.headers }
  const own = {
    'x-cdc-aggregate-type': entry.aggregateType,
    'x-cdc-aggregate-id': entryId(entry.aggregateId),
    'x-cdc-cluster-time': clusterTimeOf(event),
    'x-cdc-order': orderOf(event),
  }
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && Buffer.byteLength(value) <= MAX_HEADER_LENGTH) headers[name] = value
    else delete headers[name]
  }
  return headers
}
