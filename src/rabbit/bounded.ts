import { BrokerError } from '../errors.js'
import { abortable, withDeadline } from '../waiting.js'

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
  try {
    const answered = withDeadline(call, ms, () => {
      throw new BrokerError('CDC_BROKER_UNAVAILABLE', `RabbitMQ did not ${what} within ${ms} ms`, { retryable: true })
    })
    return await abortable(signal, () => answered)
  } catch (error) {
    over = true
    throw error
  }
}
