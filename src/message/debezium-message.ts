import type { ChangeStreamDocument } from 'mongodb'
import { markFactory } from '../factories.js'
import { withNeeds } from '../needs.js'
import { assertBoolean, assertKnown, assertOneOf, assertText } from '../options.js'
import type { RabbitMessage, TransformContext } from '../types.js'
import { debeziumValue } from './debezium-value.js'
import { concernsDocument, requiredIdOf } from './document-operations.js'
import { ejsonText } from './ejson-encoder.js'
import type { ChangeEvent } from './event-facts.js'
import { MAX_HEADER_LENGTH, type MessageOptions, messageEnvelope, messageOptionNames } from './message-options.js'

/** Options of {@link debeziumMessage}. `ejson` is that of the strings in the envelope, which itself is plain JSON. */
export interface DebeziumMessageOptions<E extends ChangeEvent = ChangeStreamDocument>
  extends Omit<MessageOptions<E>, 'encoder'> {
  /** `source.name`, the logical name of the deployment: what Debezium's `topic.prefix` sets. */
  readonly name: string
  /**
   * `source.version`, in Debezium the version of the connector. Set it where a consumer compares it.
   *
   * @default 'mongo-rabbit-cdc'
   */
  readonly version?: string
  /**
   * Whether a delete is followed by a second message with the same key and an empty body, as on a Kafka topic. Only for
   * consumers that expect it: a queue isn't compacted.
   *
   * @default false
   */
  readonly tombstones?: boolean
}

const CONTENT_TYPE = 'application/json'

/**
 * Shapes a message whose body is the envelope of Debezium's MongoDB connector, as its JSON converter writes it without
 * schemas; its key goes along as the header `x-debezium-key`. Events that concern no document are filtered, as the
 * connector does. With `tombstones` a delete makes an array of two messages.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. The returned function throws TransformError
 * `CDC_TRANSFORM_FAILED` (a step before has removed the id), `CDC_ENCODE_FAILED`, `CDC_ROUTING_KEY_TOO_LONG`,
 * `CDC_MESSAGE_INVALID`, `CDC_HEADERS_INVALID`.
 * @see https://debezium.io/documentation/reference/stable/connectors/mongodb.html
 */
export function debeziumMessage<E extends ChangeEvent = ChangeStreamDocument>(
  options: DebeziumMessageOptions<E>,
): (event: E, context?: TransformContext) => RabbitMessage | RabbitMessage[] | null {
  const known = messageOptionNames.filter(name => name !== 'encoder')
  assertKnown('debeziumMessage', options, [...known, 'name', 'version', 'tombstones'])
  const name = assertText('name', options.name)
  const version = assertText('version', options.version ?? 'mongo-rabbit-cdc')
  const ejson = assertOneOf('ejson', options.ejson ?? 'relaxed', ['relaxed', 'canonical'])
  const tombstones = assertBoolean('tombstones', options.tombstones ?? false)
  const envelope = messageEnvelope(options, { contentType: CONTENT_TYPE })

  function debezium(event: E, context?: TransformContext): RabbitMessage | RabbitMessage[] | null {
    if (!concernsDocument(event)) return null
    const key = JSON.stringify({ id: ejsonText(requiredIdOf(event), ejson) })
    const body = Buffer.from(JSON.stringify(debeziumValue(event, { name, version, ejson, now: Date.now() })))
    const { headers, ...properties } = envelope(body, event, context)
    const keyed = Buffer.byteLength(key) <= MAX_HEADER_LENGTH ? { ...headers, 'x-debezium-key': key } : { ...headers }
    const message = { ...properties, headers: keyed }
    if (!tombstones || event.operationType !== 'delete') return message
    const { contentType: _, ...tombstone } = message // nothing is no JSON
    return [message, { ...tombstone, body: Buffer.alloc(0) }]
  }
  return withNeeds(debezium, { exactTypes: ejson === 'canonical' })
}

markFactory('debeziumMessage', debeziumMessage)
