import { CdcError, isCdcError, messageOf } from '../errors.js'
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

/**
 * The error with which a pipeline ends over an event. Holds neither the event nor its id, since ids embed document keys:
 * its namespace, and of a transform's error what it says.
 */
export function eventFailed({ stage, error, event, attempts }: EventFailure): CdcError {
  const what = isCdcError(error) ? ` with ${error.code}` : ''
  // By name: the error may come from another copy of this package. Other errors may quote what a server said.
  const said = isCdcError(error) && error.name === 'TransformError' ? `: ${messageOf(error)}` : ''
  const times = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  const text = `An event${namespaceOf(event)} failed for good in stage "${stage}" after ${times}${what}${said}`
  return new CdcError('CDC_EVENT_FAILED', text, {
    cause: error,
    hint: 'See `cause`; the next start begins with this event; `onFailedEvent` decides what happens to such events',
  })
}

/** Database and collection of an event that looks like one of a change stream; nothing for others. */
function namespaceOf(event: unknown): string {
  const { db, coll } = (event as { ns?: { db?: unknown; coll?: unknown } } | null | undefined)?.ns ?? {}
  if (typeof db !== 'string') return ''
  return ` of ${messageOf(typeof coll === 'string' ? `${db}.${coll}` : db)}`
}
