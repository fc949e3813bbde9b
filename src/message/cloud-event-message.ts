import type { ChangeStreamDocument } from 'mongodb'
import { markFactory } from '../factories.js'
import { withNeeds } from '../needs.js'
import { assertFunction, assertKnown, assertOneOf, assertText, fail } from '../options.js'
import type { RabbitMessage, TransformContext } from '../types.js'
import { changeEventBody } from './change-event-message.js'
import { attributesOf } from './cloud-event-attributes.js'
import { type CheckedEncoder, encoderOf } from './encoding.js'
import type { ChangeEvent } from './event-facts.js'
import { type MessageOptions, messageEnvelope, messageOptionNames } from './message-options.js'

/** Options of {@link cloudEventMessage}. */
export interface CloudEventMessageOptions<E extends ChangeEvent = ChangeStreamDocument> extends MessageOptions<E> {
  /**
   * `binary`: the body is the data, the attributes are headers. `structured`: the body is one JSON object with
   * attributes and data.
   *
   * @default 'binary'
   */
  readonly mode?: 'binary' | 'structured'
  /**
   * Beginning of the attribute `source`, a URI reference; `/<database>/<collection>` follows. Name the deployment where
   * events of several meet: `source` and `id` together tell events apart.
   *
   * @default '/mongodb'
   */
  readonly source?: string
  /** Beginning of the attribute `type`; `.<database>.<collection>.<operation>` follows. @default 'mongodb' */
  readonly typePrefix?: string
  /**
   * The attribute `id`. Needed where a step before makes several inputs of one event: they would all have the same id,
   * and consumers take the others for copies. Must be the same each time the event is read.
   *
   * @default the digest of the resume token that is also the message id
   */
  readonly id?: (event: E) => string
  /** The attribute `dataschema`, an absolute URI. @default none */
  readonly dataschema?: string
  /** What the headers of mode `binary` begin with; the AMQP binding allows both. @default 'cloudEvents_' */
  readonly headerPrefix?: 'cloudEvents_' | 'cloudEvents:'
}

const STRUCTURED = 'application/cloudevents+json; charset=utf-8'
const OWN_OPTIONS = ['mode', 'source', 'typePrefix', 'id', 'dataschema', 'headerPrefix']

/**
 * Shapes a CloudEvents 1.0 message whose data is the body of `changeEventMessage`. For events of every kind.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. The returned function throws TransformError
 * `CDC_TRANSFORM_FAILED` (a step before has removed the resume token), `CDC_ENCODE_FAILED`, `CDC_ROUTING_KEY_TOO_LONG`,
 * `CDC_MESSAGE_INVALID`, `CDC_HEADERS_INVALID`.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md
 */
export function cloudEventMessage<E extends ChangeEvent = ChangeStreamDocument>(
  options: CloudEventMessageOptions<E> = {},
): (event: E, context?: TransformContext) => RabbitMessage {
  assertKnown('cloudEventMessage', options, [...messageOptionNames, ...OWN_OPTIONS])
  const mode = assertOneOf('mode', options.mode ?? 'binary', ['binary', 'structured'])
  const prefix = assertOneOf('headerPrefix', options.headerPrefix ?? 'cloudEvents_', ['cloudEvents_', 'cloudEvents:'])
  const dataschema = options.dataschema === undefined ? undefined : assertUri('dataschema', options.dataschema)
  const attributeOptions = {
    source: assertUriReference('source', options.source ?? '/mongodb').replace(/\/$/, ''),
    typePrefix: assertText('typePrefix', options.typePrefix ?? 'mongodb', 255),
    id: options.id === undefined ? undefined : assertFunction('id', options.id),
  }
  const encoder = encoderOf(options)
  if (mode === 'structured' && encoder.contentEncoding !== undefined) {
    fail('encoder.contentEncoding', 'absent in mode "structured", which has no place for it', encoder.contentEncoding)
  }
  const envelope = messageEnvelope(options, mode === 'binary' ? encoder : { contentType: STRUCTURED })

  function cloudEvent(event: E, context?: TransformContext): RabbitMessage {
    const attributes = attributesOf(event, context, attributeOptions)
    if (mode === 'structured') attributes.set('datacontenttype', encoder.contentType)
    if (dataschema !== undefined) attributes.set('dataschema', dataschema)
    const data = encoder.encode(changeEventBody(event))
    const message = envelope(data, event, context)
    if (mode === 'structured') return { ...message, body: structured(attributes, data, encoder) }
    const prefixed = Object.fromEntries([...attributes].map(([name, value]) => [prefix + name, value]))
    return { ...message, headers: { ...message.headers, ...prefixed } }
  }
  return withNeeds(cloudEvent, { exactTypes: encoder.needsExactTypes })
}

markFactory('cloudEventMessage', cloudEventMessage)

/** JSON data stands there as it is; everything else in base64. */
function structured(
  attributes: ReadonlyMap<string, string>,
  data: Uint8Array,
  { contentType }: CheckedEncoder,
): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const isJson = /^[^;]*[/+]json\s*(;|$)/i.test(contentType)
  const last = isJson ? `"data":${bytes.toString()}` : `"data_base64":"${bytes.toString('base64')}"`
  return Buffer.from(`${JSON.stringify(Object.fromEntries(attributes)).slice(0, -1)},${last}}`)
}

function assertUri(name: string, value: string): string {
  if (typeof value !== 'string' || !URL.canParse(value)) fail(name, 'an absolute URI', value)
  return assertUriReference(name, value)
}

function assertUriReference(name: string, value: string): string {
  const text = assertText(name, value)
  return /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/.test(text) ? text : fail(name, 'a URI reference', value)
}
