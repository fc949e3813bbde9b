import { BrokerError } from '../errors.js'
import { withDeadline } from '../retry.js'

/**
 * The result of a call to the broker, at most `ms` milliseconds later: amqplib has no time-out on any of its calls, and
 * each of them can hang for ever against a silent peer. Rejects with a BrokerError that is retryable, or with the
 * reason of the signal. What arrives too late goes to `discard`.
 */
export async function bounded<T>(
  call: Promise<T>,
  ms: number,
  what: string,
  signal: AbortSignal,
  discard: (late: T) => void = () => {},
): Promise<T> {
  let over = false
  call.then(
    late => over && discard(late),
    // Told below, or too late to be of interest.
    () => {},
  )
  const aborted = onAbort(signal)
  try {
    const answered = withDeadline(call, ms, () => {
      throw new BrokerError('CDC_BROKER_UNAVAILABLE', `RabbitMQ did not ${what} within ${ms} ms`, { retryable: true })
    })
    return await Promise.race([answered, aborted.rejection])
  } catch (error) {
    over = true
    throw error
  } finally {
    aborted.forget()
  }
}

/** Rejects when the signal is aborted; `forget` takes the listener off, as long-lived signals would gather them. */
function onAbort(signal: AbortSignal): { rejection: Promise<never>; forget: () => void } {
  let listener = (): void => {}
  const rejection = new Promise<never>((_, reject) => {
    listener = () => reject(signal.reason)
    if (signal.aborted) listener()
    else signal.addEventListener('abort', listener, { once: true })
  })
  return { rejection, forget: () => signal.removeEventListener('abort', listener) }
}

/** Resolves when the promise has settled or the time is over, whichever is first; never rejects. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  await withDeadline(
    promise.then(
      () => {},
      () => {},
    ),
    ms,
    () => {},
  )
}
