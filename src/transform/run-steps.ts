import { discreetOf } from '../discreet-error.js'
import { TransformError } from '../errors.js'
import { needsOf } from '../needs.js'
import { noteStep } from '../throwing-step.js'
import type { TransformContext } from '../types.js'
import { isPromise } from './later.js'
import type { Step } from './outcome.js'

type Steps = readonly Step<unknown, unknown>[]

/** Runs one input through the steps from `index` on; a promise only if one of them returns one. */
export function runSteps(steps: Steps, index: number, input: unknown, context?: TransformContext): unknown {
  const step = steps[index]
  if (step === undefined) return input
  const output = call(steps, index, step, input, context)
  if (!isPromise(output)) return goOn(steps, index, output, context)
  return Promise.resolve(output).then(
    value => {
      // The pipeline has given up on this event: what the other steps would do is thrown away.
      context?.signal.throwIfAborted()
      return goOn(steps, index, value, context)
    },
    error => {
      throw thrownBy(steps, index, error)
    },
  )
}

function call(
  steps: Steps,
  index: number,
  step: Step<unknown, unknown>,
  input: unknown,
  context?: TransformContext,
): unknown {
  try {
    return step(input, context)
  } catch (error) {
    throw thrownBy(steps, index, error)
  }
}

/** What a step threw, without names of fields that a later step would have hidden. */
function thrownBy(steps: Steps, index: number, error: unknown): unknown {
  noteStep(error, `step ${placeOf(steps, index)}`)
  return needsOf(...steps.slice(index + 1)).hiding === undefined ? error : discreetOf(error)
}

/** Hands what step `index` returned to the steps after it. */
function goOn(steps: Steps, index: number, output: unknown, context?: TransformContext): unknown {
  if (output === undefined) throw undefinedFrom(steps, index, '`undefined`')
  if (output === null) return null
  return Array.isArray(output) ? runEach(steps, index, output, context) : runSteps(steps, index + 1, output, context)
}

function runEach(steps: Steps, index: number, items: readonly unknown[], context?: TransformContext): unknown {
  const outputs: unknown[] = []
  const runItem = (at: number): unknown => {
    const item = items[at]
    if (item === undefined) throw undefinedFrom(steps, index, `an array with \`undefined\` at index ${at}`)
    return item === null ? null : runSteps(steps, index + 1, item, context)
  }
  for (let at = 0; at < items.length; at++) {
    const output = runItem(at)
    if (!isPromise(output)) append(outputs, output)
    else return runRest(outputs, output, at + 1, items.length, runItem, context)
  }
  return outputs
}

/** From the first promise on: one item after the other, so that the outputs keep the order of the items. */
async function runRest(
  outputs: unknown[],
  first: PromiseLike<unknown>,
  from: number,
  to: number,
  runItem: (at: number) => unknown,
  context?: TransformContext,
): Promise<unknown[]> {
  append(outputs, await first)
  for (let at = from; at < to; at++) {
    context?.signal.throwIfAborted()
    append(outputs, await runItem(at))
  }
  return outputs
}

function append(outputs: unknown[], output: unknown): void {
  if (output === null) return
  if (!Array.isArray(output)) outputs.push(output)
  else for (const item of output) outputs.push(item)
}

function undefinedFrom(steps: Steps, index: number, what: string): TransformError {
  const text = `Step ${placeOf(steps, index)}, returned ${what}`
  return new TransformError('CDC_TRANSFORM_UNDEFINED', text, { hint: 'return `null` to filter the event' })
}

function placeOf(steps: Steps, index: number): string {
  return `${index + 1} of ${steps.length} of the pipe, \`${steps[index]?.name || 'anonymous'}\``
}
