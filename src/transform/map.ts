import { assertTransform, markFactory, named } from '../factories.js'
import { needsOf, withNeeds } from '../needs.js'
import type { TransformContext } from '../types.js'
import type { Returned } from './outcome.js'

/**
 * Makes something else of each input: one (any value), several (an array, always), or none (`null` or an empty array).
 * Synchronous or asynchronous, as `fn` is. In a `pipe` the input has the type of what the step before returned, without
 * annotation. `fn` must not change its input: other transforms and the pipeline hold the same object.
 *
 * @param fn Gets the input and, in a pipeline, the context. Must not return `undefined`: a value that may be missing is
 * written `event.fullDocument ?? null`.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when `fn` isn't a function
 *
 * @example
 * import { map, onlyOperations, pipe } from 'mongo-rabbit-cdc'
 *
 * const lines = pipe(
 *   onlyOperations('insert'),
 *   map(event => event.fullDocument.lines.map((line: object) => ({ order: event.documentKey._id, ...line }))),
 * )
 */
export function map<I, R extends Returned>(
  fn: (input: I, context?: TransformContext) => R,
): (input: I, context?: TransformContext) => R {
  assertTransform('fn of map', fn)
  // A message shape may be `fn` itself.
  return withNeeds(
    named('map', (input: I, context?: TransformContext): R => fn(input, context)),
    needsOf(fn),
  )
}

markFactory('map', map)
