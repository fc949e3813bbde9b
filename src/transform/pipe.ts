import { assertTransform, markFactory, named } from '../factories.js'
import { needsOf, withNeeds } from '../needs.js'
import { assertSome } from '../options.js'
import type { Step } from './outcome.js'
import type { Pipe } from './pipe-overloads.js'
import { runSteps } from './run-steps.js'

/**
 * Chains steps from left to right into one transform; up to ten, and a `pipe` is itself a step. Each step gets what the
 * one before it returned: awaited, one at a time when that was an array (an array always means several), and it isn't
 * called at all after `null`. The steps see the types of one another, so a wrong order doesn't compile.
 *
 * Outputs keep the order of their inputs: the items of an array go through the rest of the chain one after the other,
 * also when a step is asynchronous. To work on the items at the same time, do so within one step. The result is an
 * array when a step returned one, and a promise only if a step returned one.
 *
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when there is no step or a step isn't a function
 * @throws TransformError `CDC_TRANSFORM_UNDEFINED` when called, if a step returns `undefined` or an array that holds it:
 * nothing is filtered by a forgotten `return`
 *
 * @example
 * import { filter, map, onlyOperations, pipe } from 'mongo-rabbit-cdc'
 *
 * const bigOrders = pipe(
 *   onlyOperations('insert'),
 *   map(event => event.fullDocument),
 *   filter(order => order.total >= 100),
 * )
 */
export const pipe: Pipe = function pipe(...steps: readonly Step<unknown, unknown>[]): Step<unknown, unknown> {
  assertSome('steps of pipe', steps)
  steps.forEach((step, index) => {
    assertTransform(`step ${index + 1} of pipe`, step)
  })
  return withNeeds(
    named('pipe', (input, context) => runSteps(steps, 0, input, context)),
    needsOf(...steps),
  )
}

markFactory('pipe', pipe)
