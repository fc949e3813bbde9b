import { assertChangeEvent } from '../change-event.js'
import { TransformError } from '../errors.js'
import { type ChangeEvent, documentIdOf } from './event-facts.js'

/** The operations that change one document; all others concern a collection, an index or a database. */
const DOCUMENT_OPERATIONS: readonly string[] = ['insert', 'update', 'replace', 'delete']

/** Whether the event is the change of one document. @throws TransformError `CDC_TRANSFORM_FAILED` for what is no event */
export function concernsDocument(event: ChangeEvent): boolean {
  assertChangeEvent(event)
  return DOCUMENT_OPERATIONS.includes(event.operationType)
}

/** The `_id` of the changed document. @throws TransformError `CDC_TRANSFORM_FAILED` when a step before has removed it */
export function requiredIdOf(event: ChangeEvent): unknown {
  const id = documentIdOf(event)
  if (id !== undefined) return id
  const text = `Expected the ${event.operationType} event to have \`documentKey._id\`, got none`
  throw new TransformError('CDC_TRANSFORM_FAILED', text, { hint: 'a step before the message shape has removed it' })
}
