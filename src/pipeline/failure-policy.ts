import { CdcError, isCdcError, messageOf } from '../errors.js'
import type { FailedEventAction, FailureStage } from '../events.js'

/** An event that failed for good. */
export interface EventFailure<E = unknown> {
  /** Where it failed. */
  readonly stage: FailureStage
  /** What it failed with; of a throw in a transform the `cause`. */
  readonly error: unknown
  /** The event as the source gave it. */
  readonly event: E
  /** Stable id of the event. */
  readonly id: string
  /** Attempts of this stage so far, those that the policy asked for included. */
  readonly attempts: number
}

/** What a function in `onFailedEvent` may decide: also that the event is to be tried once more, after a delay. */
export type FailedEventDecision = FailedEventAction | 'retry'

/** What happens to an event that failed for good, or who decides about it. While that is open its lane waits. */
export type FailedEventPolicy<E = unknown> =
  | FailedEventAction
  | ((failure: EventFailure<E>) => FailedEventDecision | Promise<FailedEventDecision>)

/** The policies that need no function. */
export const failedEventActions: readonly FailedEventAction[] = ['stop', 'skip', 'dead-letter']

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

/** The function in `onFailedEvent` threw. */
export function policyThrew(cause: unknown): CdcError {
  const text = 'Expected the function in `onFailedEvent` to return an action, got a throw'
  return new CdcError('CDC_POLICY_FAILED', text, { cause, hint: 'See `cause`; the next start begins with this event' })
}

/** The function in `onFailedEvent` returned what is no action, or one that can't be done. */
export function policyInvalid(decision: unknown, failure: EventFailure): CdcError {
  const got = decision === 'dead-letter' ? '"dead-letter" without the option `deadLetter`' : `a ${typeof decision}`
  const text = `Expected \`onFailedEvent\` to return "stop", "skip", "dead-letter" or "retry", got ${got}`
  return new CdcError('CDC_POLICY_FAILED', text, {
    cause: failure.error,
    hint: 'The next start begins with this event',
  })
}

/** The dead letter of an event could not be made, or was not taken. */
export function deadLetterFailed(cause: unknown): CdcError {
  const what = isCdcError(cause) ? ` with ${cause.code}` : ''
  return new CdcError('CDC_DEAD_LETTER_FAILED', `The dead letter of a failed event was not taken${what}`, {
    cause,
    hint: 'See `cause`; mend where dead letters go; the next start begins with this event',
  })
}

/** So many events failed that it is hardly the fault of each of them. */
export function circuitOpen(cause: unknown, { failures, of }: { failures: number; of: number }): CdcError {
  const text = `${failures} of the last ${of} events failed for good: the pipeline stops before it disposes of more`
  return new CdcError('CDC_CIRCUIT_OPEN', text, {
    cause,
    hint: 'See `cause`, which is the error of the last one; the next start begins with it',
  })
}
