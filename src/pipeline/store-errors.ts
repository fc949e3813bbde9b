import { CheckpointError, isCdcError } from '../errors.js'
import type { Checkpoint } from '../types.js'

/** What errors of a checkpoint store mean to a pipeline. */

/** At start, what we know to be wrong is told at once; anything else passes, like an outage. */
export function passing(error: unknown): boolean {
  return !isCdcError(error) || error.retryable
}

/** Whether another instance has the lease. */
export function isFenced(error: unknown): error is CheckpointError {
  return isCdcError(error) && error.code === 'CDC_FENCED'
}

/** @throws CheckpointError for what can't be a checkpoint, or is that of another pipeline */
export function assertOwn(found: Checkpoint, name: string): void {
  if (typeof found !== 'object' || typeof found.position?.kind !== 'string') {
    throw new CheckpointError('CDC_CHECKPOINT_CORRUPT', `Expected the checkpoint of "${name}" to hold a position`, {
      hint: 'The store returned something else; it is never taken for "start at now"',
    })
  }
  if (found.name !== name) {
    const text = `Expected a checkpoint of pipeline "${name}", got one of "${found.name}"`
    throw new CheckpointError('CDC_CHECKPOINT_FOREIGN', text, { hint: 'Give each pipeline its own `name`' })
  }
}
