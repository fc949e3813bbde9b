import { markFactory, named } from '../factories.js'
import { assertFunction } from '../options.js'
import type { TransformContext } from '../types.js'
import { verdictOf } from './verdict.js'

/** What `filter` returns: a promise where the predicate returns one. */
export type Filtered<I, R> = R extends PromiseLike<unknown> ? Promise<I | null> : I | null

/**
 * Lets an input pass, untouched, if the predicate is true for it. Synchronous or asynchronous, as the predicate is; a
 * type guard narrows the type for the steps after it. Nothing is published for an event that is filtered, and it counts
 * as done: the saved position moves past it.
 *
 * @param predicate Gets the input and, in a pipeline, the context.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when `predicate` isn't a function
 * @throws TransformError `CDC_TRANSFORM_UNDEFINED` when called, if the predicate returns `undefined`: a forgotten
 * `return` would drop every event
 *
 * @example
 * import { filter, onlyOperations, pipe } from 'mongo-rabbit-cdc'
 *
 * const paid = pipe(
 *   onlyOperations('insert', 'replace'),
 *   filter(event => event.fullDocument.status === 'paid'),
 * )
 */
export function filter<I, S extends I>(
  predicate: (input: I, context?: TransformContext) => input is S,
): (input: I, context?: TransformContext) => S | null
export function filter<I, R extends boolean | PromiseLike<boolean>>(
  predicate: (input: I, context?: TransformContext) => R,
): (input: I, context?: TransformContext) => Filtered<I, R>
export function filter<I>(
  predicate: (input: I, context?: TransformContext) => boolean | PromiseLike<boolean>,
): (input: I, context?: TransformContext) => I | null | Promise<I | null> {
  assertFunction('predicate of filter', predicate)
  return named('filter', (input, context) => {
    const verdict = predicate(input, context)
    return typeof verdict === 'object'
      ? Promise.resolve(verdict).then(late => judge(late, input))
      : judge(verdict, input)
  })
}

markFactory('filter', filter)

function judge<I>(verdict: boolean | undefined, input: I): I | null {
  return verdictOf(verdict, 'filter') ? input : null
}
