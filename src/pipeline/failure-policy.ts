import { CdcError, isCdcError } from '../errors.js'
import type { FailureStage } from '../events.js'

/** What happens to an event that failed for good. */
export type FailedEventPolicy = 'stop' | 'skip'

/** An event that failed for good. */
export interface EventFailure {
  readonly stage: FailureStage
  readonly error: unknown
  readonly event: unknown
  readonly id: string
  readonly attempts: number
}

/** The one place where it is decided what happens to an event that failed for good. */
export function decide(policy: FailedEventPolicy, _failure: EventFailure): 'stop' | 'skip' {
  return policy
}

/** How a sink's refusal of one message is to be taken. */
export function classifyRefusal(error: unknown): 'nack' | 'retryable' | 'final' {
  const { reason, retryable } = (error ?? {}) as { reason?: unknown; retryable?: unknown }
  if (reason === 'nack') return 'nack'
  return retryable === false ? 'final' : 'retryable'
}

/** The error with which a pipeline ends over an event. Holds neither the event nor its id: ids embed document keys. */
export function eventFailed({ stage, error, attempts }: EventFailure): CdcError {
  const what = isCdcError(error) ? ` with ${error.code}` : ''
  const times = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  return new CdcError('CDC_EVENT_FAILED', `An event failed for good in stage "${stage}" after ${times}${what}`, {
    cause: error,
    hint: 'See `cause`; the next start begins with this event; `onFailedEvent` decides what happens to such events',
  })
}
