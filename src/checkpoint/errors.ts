import { CheckpointError, isCdcError, messageOf } from '../errors.js'
import { isTlsFailure } from '../tls-failure.js'

/** The errors of the stores. `where` names the record, without secrets; tokens never appear. */

const restore = 'restore it from a backup, or delete it on purpose to start at now and lose what lies between'

/** The record is there but can't be trusted. */
export function corrupt(where: string, why: string, hint: string = restore): CheckpointError {
  return new CheckpointError('CDC_CHECKPOINT_CORRUPT', `The checkpoint in ${where} can not be used: ${why}`, { hint })
}

/** The record was written by a version of this library that came after this one. */
export function newer(where: string): CheckpointError {
  return corrupt(
    where,
    'a newer version of this library wrote it',
    'run that version or a later one; nothing is damaged',
  )
}

/** The record is sound, and somebody else's. */
export function foreign(where: string, got: string, expected: string): CheckpointError {
  const text = `Expected the checkpoint in ${where} to belong to pipeline "${expected}", got that of "${got}"`
  return new CheckpointError('CDC_CHECKPOINT_FOREIGN', text, { hint: 'give each pipeline a place of its own' })
}

/** What a save has to find isn't there: its epoch, or a lease that is good for nobody. */
export function fenced(where: string, epoch: number | undefined): CheckpointError {
  const expected = epoch === undefined ? 'be free' : `have epoch ${epoch}`
  const text = `Refused to save: expected the lease in ${where} to ${expected}, but another instance has it`
  const hint = epoch === undefined ? 'give every instance of a pipeline the option `lease`, or none' : undefined
  return new CheckpointError('CDC_FENCED', text, hint === undefined ? {} : { hint })
}

/**
 * The folder of a checkpoint isn't there. At the start that is most often a mistake in the path and isn't waited for; a
 * running pipeline waits: a volume may come back.
 */
export function folderMissing(path: string, retryable: boolean): CheckpointError {
  return new CheckpointError('CDC_CHECKPOINT_FAILED', `Expected the folder of ${path} to exist, got none`, {
    hint: 'create it, or mount the volume; it is not made here, since an empty one would look like a first start',
    retryable,
  })
}

// UserNotFound, Unauthorized, AuthenticationFailed, and credentials that are missing or of an unknown mechanism.
const ACCESS_CODES = [11, 13, 18, 334, 391]
const CHECK_TLS =
  'check `tlsCAFile`, the names and the expiry in the certificate of the server, and your own certificate'

/**
 * The store failed at what it was asked for; an error of ours goes through as it is. What the server refuses for lack
 * of rights isn't tried again at the start; everything else may pass.
 */
export function failed(
  what: 'load' | 'save' | 'acquire' | 'renew' | 'release',
  where: string,
  cause: unknown,
): CheckpointError {
  if (isCdcError(cause)) return cause as CheckpointError
  const thing = what === 'load' || what === 'save' ? 'checkpoint' : 'lease'
  // An access error of the server quotes the whole command, with session and signature: so it is no cause either.
  const text = `Could not ${what} the ${thing} in ${where}: ${messageOf(cause)}`
  if (isTlsFailure(cause)) return new CheckpointError('CDC_CHECKPOINT_FAILED', text, { cause, hint: CHECK_TLS })
  const refused = ACCESS_CODES.includes(Number((cause as { code?: unknown } | null)?.code))
  const hint = 'the user needs `find`, `insert` and `update` on the collection of the checkpoints'
  return new CheckpointError('CDC_CHECKPOINT_FAILED', text, refused ? { hint } : { cause, retryable: true })
}
