import { isCdcError } from '../errors.js'
import type { StopReason } from '../events.js'

/** What the errors say that the flow itself ends with; all else comes from the source. */
const reasons: ReadonlyMap<string, StopReason> = new Map([
  ['CDC_EVENT_FAILED', 'event-failed'],
  ['CDC_POLICY_FAILED', 'policy-failed'],
  ['CDC_DEAD_LETTER_FAILED', 'dead-letter-failed'],
  ['CDC_CIRCUIT_OPEN', 'circuit-open'],
  ['CDC_START_TIMEOUT', 'start-timeout'],
])

/** Why a pipeline ends with this error, which came from this part unless the error itself says more. */
export function stopReason(error: unknown, part: StopReason): StopReason {
  return (isCdcError(error) && reasons.get(error.code)) || part
}
