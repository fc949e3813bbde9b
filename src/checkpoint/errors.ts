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
  const text = `Refused to save: expected the lease in ${where} to ${expected}, but another instance has it, or the record is gone`
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

const UNAUTHORIZED = 13
// UserNotFound, AuthenticationFailed, and credentials that are missing or of an unknown mechanism.
const AUTHENTICATION = [11, 18, 334, 391]
const CHECK_TLS =
  'check `tlsCAFile`, the names and the expiry in the certificate of the server, and your own certificate'

const NEEDS_RIGHTS = 'the user needs `find`, `insert` and `update` on the collection of the checkpoints'
const CHECK_PASSWORD =
  'check user name, password and `authSource`; when the user was dropped and made again, a store with a `uri` logs in ' +
  'anew with the next attempt, while a `client` of yours has to be made anew'

/**
 * Whether MongoDB let nobody in: users, passwords and certificates are changed at run time. Not where rights are missing:
 * those are granted to a user who is logged in already.
 */
export function isRefusal(error: unknown): boolean {
  const hint = hintOf(error)
  return hint !== undefined && hint !== NEEDS_RIGHTS
}

/** What to do about a refusal; `undefined` for any other error. */
function hintOf(error: unknown): string | undefined {
  if (isTlsFailure(error)) return CHECK_TLS
  const code = Number((error as { code?: unknown } | null)?.code)
  // Said to a connection without a user, such as one whose user was dropped: it is not about rights.
  const nameless = code === UNAUTHORIZED && /requires authentication/i.test(messageOf(error))
  if (nameless || AUTHENTICATION.includes(code)) return CHECK_PASSWORD
  return code === UNAUTHORIZED ? NEEDS_RIGHTS : undefined
}

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
  const hint = hintOf(cause)
  if (hint === undefined) return new CheckpointError('CDC_CHECKPOINT_FAILED', text, { cause, retryable: true })
  return new CheckpointError('CDC_CHECKPOINT_FAILED', text, isTlsFailure(cause) ? { cause, hint } : { hint })
}
