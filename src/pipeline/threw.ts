import { isCdcError, messageOf, TransformError } from '../errors.js'
import { stepOf } from '../throwing-step.js'

/** Longest text of a foreign error in ours, in characters. */
const MAX_TEXT = 200

/**
 * What a function of the user threw, as an error of ours with its text; an error of ours as it is. A throw is tried
 * again only if it says so.
 */
export function threw(who: string, error: unknown): unknown {
  if (isCdcError(error)) return error
  const retryable = (error as { retryable?: unknown } | null | undefined)?.retryable === true
  const step = stepOf(error)
  const where = step === undefined ? '' : ` in ${step}`
  return new TransformError('CDC_TRANSFORM_FAILED', `${who} threw${where}: ${shortText(error)}`, {
    cause: error,
    retryable,
  })
}

function shortText(error: unknown): string {
  const text = messageOf(error)
  if (text === '') return 'an error without message'
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
