import { BrokerError } from '../errors.js'

/**
 * The result of a call to the broker, at most `ms` milliseconds later: amqplib has no time-out on any of its calls, and
 * each of them can hang for ever against a silent peer. Rejects with a BrokerError that is retryable, or with the
 * reason of the signal. What arrives too late goes to `discard`; an error that does is of no interest.
 */
export function bounded<T>(
  call: Promise<T>,
  ms: number,
  what: string,
  signal: AbortSignal,
  discard: (late: T) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false
    const end = (): void => {
      over = true
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
    const giveUp = (error: unknown): void => {
      end()
      reject(error)
    }
    const abort = (): void => giveUp(signal.reason)
    const timer = setTimeout(() => {
      const text = `RabbitMQ did not ${what} within ${ms} ms`
      giveUp(new BrokerError('CDC_BROKER_UNAVAILABLE', text, { retryable: true }))
    }, ms)
    signal.addEventListener('abort', abort, { once: true })
    // Listened to in any case: a rejection that nobody hears ends the process.
    call.then(
      result => {
        if (over) return discard(result)
        end()
        resolve(result)
      },
      (error: unknown) => {
        if (!over) giveUp(error)
      },
    )
    // An abort before the call is not told again.
    if (signal.aborted) abort()
  })
}
