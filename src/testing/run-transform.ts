import { outputsOf } from '../outputs.js'
import type { RabbitMessage, Transform } from '../types.js'

/** What {@link runTransform} may tell the transform. */
export interface RunTransformOptions {
  /** What `context.signal` is. @default one that is never aborted */
  readonly signal?: AbortSignal
  /** What `context.id` is. @default the resume token of the event, else 'event-1' */
  readonly id?: string
}

/**
 * Runs a transform, or a whole `pipe`, as the pipeline does, and resolves with its outputs: always an array, empty when
 * the event is filtered. The input is frozen to its depth first, so that a transform that mutates it fails here and not
 * in production.
 *
 * @throws what the transform throws; TransformError `CDC_TRANSFORM_UNDEFINED` where it returns `undefined`.
 *
 * @example
 * import { onlyOperations } from 'mongo-rabbit-cdc'
 * import { changeEvents, runTransform } from 'mongo-rabbit-cdc/testing'
 *
 * const events = changeEvents()
 * const outputs = await runTransform(onlyOperations('insert'), events.delete(7))
 * console.log(outputs) // []
 */
export async function runTransform<I, O>(
  transform: Transform<I, O>,
  input: I,
  options: RunTransformOptions = {},
): Promise<O[]> {
  const { signal = new AbortController().signal, id = idOf(input) } = options
  deepFreeze(input)
  return [...outputsOf<O>(await transform(input, { event: input, id, signal }))]
}

/**
 * The body of a message as parsed JSON.
 *
 * @throws SyntaxError for a body that isn't JSON.
 */
export function bodyOf(message: RabbitMessage): unknown {
  return JSON.parse(Buffer.from(message.body).toString('utf8'))
}

function idOf(input: unknown): string {
  const data = (input as { _id?: { _data?: unknown } } | null)?._id?._data
  return typeof data === 'string' ? data : 'event-1'
}

/** Plain objects and arrays only: a frozen ObjectId could not keep its cached text, and bytes can't be frozen. */
function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part)
}
