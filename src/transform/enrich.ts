import { isCdcError, TransformError } from '../errors.js'
import { assertTransform, markFactory } from '../factories.js'
import { needsOf, withNeeds } from '../needs.js'
import { assertInteger, assertKnown, DAY_MS, resolveBackOff } from '../options.js'
import { type BackOffOptions, retry } from '../retry.js'
import type { TransformContext } from '../types.js'
import { abortable } from '../waiting.js'
import type { Returned } from './outcome.js'

/** Options of {@link enrich}. */
export interface EnrichOptions {
  /**
   * Longest time for one attempt, in milliseconds; from 1 to a day. Too small: slow answers fail events. All attempts
   * and delays together are bounded by the pipeline's `transformTimeoutMs`: keep it larger.
   *
   * @default 5000
   */
  readonly timeoutMs?: number
  /** Attempts altogether; from 1. Too small: a short outage of what is asked fails events. @default 5 */
  readonly attempts?: number
  /** Delays between attempts. */
  readonly retry?: BackOffOptions
}

/** What `load` gets beside its input. */
export interface LoadContext {
  /** Aborted when the attempt ran out of time or the pipeline gave up on the event: hand it on to what you call. */
  readonly signal: AbortSignal
}

/**
 * Asks somebody else (a database, a service) about each input, and merges the answer into it. A failed attempt is
 * repeated after a delay, unless its error says `retryable: false`; then the event fails with the last error. An answer
 * that comes after its time is thrown away. Order is kept: the event holds its lane meanwhile, events of other
 * documents go on, `transformConcurrency` at a time. Always asynchronous: for what is in memory take `map`.
 *
 * An event that is read again after a crash is looked up again, and what it finds may be newer than the event.
 *
 * @param load Gets the input and a signal.
 * @param merge Makes the output of the input and what was loaded; must not change the input.
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`, at once. The returned promise rejects with
 * TransformError `CDC_ENRICH_TIMEOUT` when the last attempt got no answer in time.
 *
 * @example
 * import { changeEventMessage, enrich, onlyOperations, pipe } from 'mongo-rabbit-cdc'
 *
 * const withCustomer = pipe(
 *   onlyOperations('insert'),
 *   enrich(
 *     async (event, { signal }) => (await fetch(`http://crm/${event.fullDocument.customer}`, { signal })).json(),
 *     (event, customer: object) => ({ ...event, fullDocument: { ...event.fullDocument, customer } }),
 *     { timeoutMs: 2000 },
 *   ),
 *   changeEventMessage(),
 * )
 */
export function enrich<I, L, R extends Returned>(
  load: (input: I, context: LoadContext) => L | Promise<L>,
  merge: (input: I, loaded: L) => R,
  options: EnrichOptions = {},
): (input: I, context?: TransformContext) => Promise<R> {
  assertTransform('load of enrich', load)
  assertTransform('merge of enrich', merge)
  assertKnown('enrich', options, ['timeoutMs', 'attempts', 'retry'])
  const { timeoutMs = 5_000, attempts = 5 } = options
  assertInteger('timeoutMs', timeoutMs, 1, DAY_MS)
  assertInteger('attempts', attempts, 1)
  const backOff = resolveBackOff('retry', options.retry === undefined ? {} : options.retry)

  async function enrich(input: I, context?: TransformContext): Promise<R> {
    const signal = context?.signal
    const attempt = (): Promise<L> => inTime(ends => load(input, { signal: ends }), timeoutMs, signal)
    const shouldRetry = (error: unknown): boolean => !signal?.aborted && mayRetry(error)
    const loaded = await retry(attempt, { ...backOff, attempts, shouldRetry, ...(signal && { signal }) })
    return merge(input, loaded)
  }
  return withNeeds(enrich, needsOf(load, merge))
}

markFactory('enrich', enrich)

/** One call with a time limit of its own; ends at once, too, when the outer signal is aborted. */
async function inTime<T>(
  call: (signal: AbortSignal) => T | Promise<T>,
  timeoutMs: number,
  outer: AbortSignal | undefined,
): Promise<T> {
  const controller = new AbortController()
  const end = (): void => controller.abort(outer?.reason)
  const timer = setTimeout(() => controller.abort(timedOut(timeoutMs)), timeoutMs)
  if (outer?.aborted) end()
  outer?.addEventListener('abort', end, { once: true })
  try {
    return await abortable(controller.signal, () => call(controller.signal))
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', end)
  }
}

function mayRetry(error: unknown): boolean {
  if (isCdcError(error) && error.code === 'CDC_ENRICH_TIMEOUT') return true
  return (error as { readonly retryable?: unknown } | null | undefined)?.retryable !== false
}

/** Not `retryable`: it was tried `attempts` times already, and the pipeline would multiply them. */
function timedOut(timeoutMs: number): TransformError {
  const text = `Expected \`load\` of enrich to answer within ${timeoutMs} ms, got no answer`
  return new TransformError('CDC_ENRICH_TIMEOUT', text, {
    hint: 'raise `timeoutMs` or `attempts` of enrich, and keep `transformTimeoutMs` above all of them together',
  })
}
