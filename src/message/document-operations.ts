import { TransformError } from '../errors.js'
import { type ChangeEvent, documentIdOf } from './event-facts.js'

/** The operations that change one document; all others concern a collection, an index or a database. */
const DOCUMENT_OPERATIONS: readonly string[] = ['insert', 'update', 'replace', 'delete']

/** Whether the event is the change of one document. @throws TransformError `CDC_TRANSFORM_FAILED` for what is no event */
export function concernsDocument(event: ChangeEvent): boolean {
  if (typeof event?.operationType !== 'string') throw notAChangeEvent()
  return DOCUMENT_OPERATIONS.includes(event.operationType)
}

/** The `_id` of the changed document. @throws TransformError `CDC_TRANSFORM_FAILED` when a step before has removed it */
export function requiredIdOf(event: ChangeEvent): unknown {
  const id = documentIdOf(event)
  if (id !== undefined) return id
  const text = `Expected the ${event.operationType} event to have \`documentKey._id\`, got none`
  throw new TransformError('CDC_TRANSFORM_FAILED', text, { hint: 'a step before the message shape has removed it' })
}

/** Most often a step before has made the bare document of it: filtering that would drop every event in silence. */
function notAChangeEvent(): TransformError {
  const text = 'Expected a change event with `operationType`, got something else'
  const hint = 'to change a document on the way, return `{ ...event, fullDocument }` from the step before'
  return new TransformError('CDC_TRANSFORM_FAILED', text, { hint })
}
