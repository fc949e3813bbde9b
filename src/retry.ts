import pRetry from 'p-retry'
import { sleep } from './waiting.js'

/** How long to wait between attempts. */
export interface BackOffOptions {
  /** Upper bound of the first delay, in milliseconds. Minimum: 1. @default 100 */
  readonly minDelayMs?: number
  /** Upper bound of every delay, in milliseconds. Minimum: `minDelayMs`. @default 30000 */
  readonly maxDelayMs?: number
}

/** What {@link retry} needs to know beside the back-off. */
export interface RetryOptions extends BackOffOptions {
  /** Attempts altogether. @default Infinity */
  readonly attempts?: number
  /** Ends the waiting; the promise rejects with its reason. */
  readonly signal?: AbortSignal
  /** Whether this error may be tried again. */
  readonly shouldRetry: (error: unknown, attempt: number) => boolean
  /** Told before each delay. */
  readonly onRetry?: (retry: { error: unknown; attempt: number; delayMs: number }) => void
  /** From 0 to 1, for tests. @default Math.random */
  readonly random?: () => number
}

/**
 * Delay before attempt number `attempt + 1`: full jitter under an upper bound that doubles from `minDelayMs` to
 * `maxDelayMs`, from half of `minDelayMs` so that a failing call can't spin. Evenly spread in between: what is cut off at
 * the lower end would be many callers at one moment.
 */
export function backOffMs(
  attempt: number,
  random: () => number,
  { minDelayMs = 100, maxDelayMs = 30_000 }: BackOffOptions = {},
): number {
  const bound = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt - 1, 30))
  const least = minDelayMs / 2
  return Math.round(least + random() * (bound - least))
}

/** Carries any error through p-retry, which would not retry a `TypeError`. */
class Attempt extends Error {
  constructor(readonly error: unknown) {
    super('attempt failed')
  }
}

/** Runs `call` until it resolves, may not be retried, or the signal ends it; rejects with the error of the last call. */
export async function retry<T>(call: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts = Number.POSITIVE_INFINITY, signal, shouldRetry, onRetry, random = Math.random } = options
  try {
    return await pRetry(
      async attempt => {
        try {
          return await call(attempt)
        } catch (error) {
          throw new Attempt(error)
        }
      },
      {
        retries: attempts - 1,
        minTimeout: 0,
        maxTimeout: 0,
        ...(signal && { signal }),
        shouldRetry: ({ error, attemptNumber }) => shouldRetry((error as Attempt).error, attemptNumber),
        onFailedAttempt: async ({ error, attemptNumber, retriesLeft }) => {
          const cause = (error as Attempt).error
          if (retriesLeft <= 0 || !shouldRetry(cause, attemptNumber)) return
          const delayMs = backOffMs(attemptNumber, random, options)
          onRetry?.({ error: cause, attempt: attemptNumber, delayMs })
          await sleep(delayMs, signal)
        },
      },
    )
  } catch (error) {
    throw error instanceof Attempt ? error.error : error
  }
}
