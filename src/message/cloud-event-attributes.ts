import { TransformError } from '../errors.js'
import { messageId } from '../message-id.js'
import type { TransformContext } from '../types.js'
import { entryId } from './entry-id.js'
import { type ChangeEvent, changedAt, documentIdOf, namespaceOf, tokenOf } from './event-facts.js'
import { MAX_HEADER_LENGTH } from './message-options.js'
import { encodePart } from './routing-key.js'

/** What the attributes hold beside the event. */
export interface AttributeOptions<E> {
  readonly source: string
  readonly typePrefix: string
  readonly id: ((event: E) => string) | undefined
}

/** The first instant of year 10000: RFC 3339 ends here. */
const YEAR_10000 = 253_402_300_800_000

/** Characters that no CloudEvents string may have: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u

/** The context attributes of CloudEvents 1.0 that come from the event; an optional one is absent where it has no value. */
export function attributesOf<E extends ChangeEvent>(
  event: E,
  context: TransformContext | undefined,
  { source, typePrefix, id }: AttributeOptions<E>,
): Map<string, string> {
  const { db, coll } = namespaceOf(event)
  const names = [db, coll].filter(name => name !== undefined)
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', id === undefined ? eventIdOf(event, context) : checkedId(id(event))],
    ['source', [source, ...names.map(encodeURIComponent)].join('/') || '/'],
    ['type', [typePrefix, ...names.map(encodePart), event.operationType].join('.')],
  ])
  const subject = subjectOf(event)
  if (subject !== undefined) attributes.set('subject', subject)
  const ms = changedAt(event)
  if (ms !== undefined && ms < YEAR_10000) attributes.set('time', new Date(ms).toISOString())
  return attributes
}

/** The id of the first message of the event: the same on every copy, and the AMQP message id where there is one message. */
function eventIdOf(event: ChangeEvent, context: TransformContext | undefined): string {
  const token = context?.id ?? tokenOf(event)
  if (token !== undefined) return messageId(token, 0)
  const hint = 'a step before the message shape has removed `_id`; set `id`, or make the shape a step of `pipe`'
  throw new TransformError('CDC_TRANSFORM_FAILED', 'Expected the event to have its resume token, got none', { hint })
}

function checkedId(id: unknown): string {
  if (typeof id === 'string' && id !== '' && !FORBIDDEN.test(id)) return id
  throw new TransformError('CDC_MESSAGE_INVALID', 'Expected `id` to return a string that is not empty and printable')
}

/** Optional in CloudEvents, so an id that it can't carry, or that would crowd out other headers, is left to the data. */
function subjectOf(event: ChangeEvent): string | undefined {
  const id = documentIdOf(event)
  const subject = id === undefined ? '' : entryId(id)
  return subject === '' || Buffer.byteLength(subject) > MAX_HEADER_LENGTH || FORBIDDEN.test(subject)
    ? undefined
    : subject
}
