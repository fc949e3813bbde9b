import { assertTransform, markFactory } from '../factories.js'
import { needsOf, withNeeds } from '../needs.js'
import { assertFunction } from '../options.js'
import type { TransformContext } from '../types.js'
import { goOnWith } from './later.js'
import type { Returned, Step } from './outcome.js'
import { verdictOf } from './verdict.js'

/** What `when` returns: a promise where the predicate returns one. */
export type Chosen<V, R> = V extends PromiseLike<unknown> ? Promise<Awaited<R>> : R

/**
 * Sends inputs for which the predicate is true through `transform`, all others through `otherwise`; without `otherwise`
 * they pass unchanged. Synchronous where predicate and the chosen transform are. A type guard, written or inferred,
 * narrows the type for both ways. Either way may filter (`null`) or return several.
 *
 * @param predicate Gets the input and, in a pipeline, the context.
 * @param transform For inputs that fit: a function, a built-in step, a `pipe`, a message shape.
 * @param otherwise For the others. @default passes them unchanged
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when one of them isn't a function
 * @throws TransformError `CDC_TRANSFORM_UNDEFINED` when called, if the predicate returns `undefined`
 *
 * @example
 * import { changeEventMessage, documentMessage, onlyOperations, pipe, when } from 'mongo-rabbit-cdc'
 *
 * const shaped = pipe(
 *   onlyOperations('insert', 'delete'),
 *   when(event => event.operationType === 'insert', documentMessage(), changeEventMessage()),
 * )
 */
export function when<I extends Returned, S extends I, R extends Returned, Q extends Returned = Exclude<I, S>>(
  predicate: (input: I, context?: TransformContext) => input is S,
  transform: Step<S, R>,
  otherwise?: Step<Exclude<I, S>, Q>,
): (input: I, context?: TransformContext) => R | Q
export function when<
  I extends Returned,
  V extends boolean | PromiseLike<boolean>,
  R extends Returned,
  Q extends Returned = I,
>(
  predicate: (input: I, context?: TransformContext) => V,
  transform: Step<I, R>,
  otherwise?: Step<I, Q>,
): (input: I, context?: TransformContext) => Chosen<V, R | Q>
export function when(
  predicate: (input: never, context?: TransformContext) => boolean | PromiseLike<boolean>,
  transform: Step<never, unknown>,
  otherwise: Step<never, unknown> = unchanged,
): (input: never, context?: TransformContext) => unknown {
  assertFunction('predicate of when', predicate)
  assertTransform('transform of when', transform)
  assertTransform('otherwise of when', otherwise)
  return withNeeds(
    function when(input, context) {
      return goOnWith(predicate(input, context), verdict =>
        verdictOf(verdict, 'when') ? transform(input, context) : otherwise(input, context),
      )
    },
    needsOf(transform, otherwise),
  )
}

markFactory('when', when)

function unchanged<I>(input: I): I {
  return input
}
