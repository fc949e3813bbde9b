import { TransformError } from './errors.js'

/**
 * Refuses what is no change event. Most often a step before has made the bare document of it, or the message: to filter
 * that would drop every event in silence.
 *
 * @throws TransformError `CDC_TRANSFORM_FAILED`
 */
export function assertChangeEvent(event: unknown): void {
  if (typeof (event as { readonly operationType?: unknown } | null | undefined)?.operationType === 'string') return
  const text = 'Expected a change event with `operationType`, got something else'
  const hint =
    'to change a document on the way, return `{ ...event, fullDocument }` from the step before; message shapes come last'
  throw new TransformError('CDC_TRANSFORM_FAILED', text, { hint })
}
