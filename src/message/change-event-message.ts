import type { ChangeStreamDocument } from 'mongodb'
import { deferredIn, isDeferrable } from '../deferred-document.js'
import { markFactory, named } from '../factories.js'
import { withNeeds } from '../needs.js'
import { assertKnown } from '../options.js'
import type { RabbitMessage, TransformContext } from '../types.js'
import { encoderOf } from './encoding.js'
import type { ChangeEvent } from './event-facts.js'
import type { MessageBody } from './message-body.js'
import { type MessageOptions, messageEnvelope, messageOptionNames } from './message-options.js'

/** Options of {@link changeEventMessage}. */
export type ChangeEventMessageOptions<E extends ChangeEvent = ChangeStreamDocument> = MessageOptions<E>

/** The order of the body's fields; others, such as `to` or what a later server adds, follow in the event's order. */
const FIRST_FIELDS = [
  'operationType',
  'ns',
  'documentKey',
  'fullDocument',
  'fullDocumentBeforeChange',
  'updateDescription',
  'clusterTime',
  'wallTime',
]

/** The resume token: a header, since it is about the stream and not about the change. */
const LEFT_OUT = '_id'

/**
 * Shapes a message whose body is the change event, under the driver's own names: all its fields but `_id`, the resume
 * token, which goes along as a header. For events of every kind.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. The returned function throws TransformError
 * `CDC_ENCODE_FAILED`, `CDC_ROUTING_KEY_TOO_LONG`, `CDC_MESSAGE_INVALID`, `CDC_HEADERS_INVALID`.
 */
export function changeEventMessage<E extends ChangeEvent = ChangeStreamDocument>(
  options: ChangeEventMessageOptions<E> = {},
): (event: E, context?: TransformContext) => RabbitMessage {
  assertKnown('changeEventMessage', options, messageOptionNames)
  const encoder = encoderOf(options)
  const envelope = messageEnvelope(options, encoder)

  function changeEvent(event: E, context?: TransformContext): RabbitMessage {
    return envelope(encoder.encode(changeEventBody(event)), event, context)
  }
  return withNeeds(named('changeEventMessage', changeEvent), { exactTypes: encoder.needsExactTypes })
}

markFactory('changeEventMessage', changeEventMessage)

/** The body of a change event. */
export function changeEventBody(event: ChangeEvent): MessageBody {
  const fields = new Map<string, unknown>()
  const take = (name: string): void => {
    const value = (isDeferrable(name) && deferredIn(event, name)) || (event as unknown as Record<string, unknown>)[name]
    if (value !== undefined) fields.set(name, value)
  }
  for (const name of FIRST_FIELDS) take(name)
  for (const name of Object.keys(event)) if (name !== LEFT_OUT && !FIRST_FIELDS.includes(name)) take(name)
  return { fields }
}
