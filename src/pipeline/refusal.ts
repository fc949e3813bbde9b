import { OptionsError } from '../errors.js'
import type { Job, Part } from './job.js'

/** How a sink's refusal of one message is to be taken. */
export function classifyRefusal(error: unknown): 'nack' | 'retryable' | 'final' {
  const { reason, retryable } = (error ?? {}) as { reason?: unknown; retryable?: unknown }
  if (reason === 'nack') return 'nack'
  return retryable === false ? 'final' : 'retryable'
}

/**
 * Sorts what was refused in this round: into `job.parts`, in array order, what may be sent again, the rest to
 * `job.lost`. Returns whether a nack was among it.
 */
export function sortRefused<E, M>(job: Job<E, M>, maxAttempts: number): boolean {
  let nacked = false
  const again: Part<E, M>[] = []
  for (const part of job.refused.sort((a, b) => a.index - b.index)) {
    const kind = classifyRefusal(part.error)
    if (kind === 'nack') nacked = true
    else part.refusals += 1
    if (kind === 'nack' || (kind === 'retryable' && part.refusals < maxAttempts)) again.push(part)
    else if (job.lost) job.lost.push(part)
    else job.lost = [part]
  }
  job.refused = []
  job.parts = again
  return nacked
}

/** What `publish` of a sink returned can't be waited for. */
export function notAPromise(): OptionsError {
  return new OptionsError('CDC_OPTION_INVALID', 'Expected `sink.publish` to return a promise, got none', {
    hint: 'A `return` may be missing; without the promise nobody knows when the message is safe',
  })
}
