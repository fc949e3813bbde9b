import { type CdcError, type CdcErrorCode, isCdcError, messageOf, SourceError } from '../errors.js'

/**
 * What an error of MongoDB means for the stream. Pure, and total: what isn't listed here passes by itself.
 * Codes are those of the server's `error_codes.yml`.
 */
export interface Verdict {
  /**
   * `retry`: open again from the last position. `refused`: fatal at the start; tried again slowly later, since roles and
   * passwords are changed at run time. `history`: the oplog no longer holds the position. `notFound`: the server
   * doesn't find the event of the position. `fatal`: can't heal by itself.
   */
  readonly action: 'retry' | 'refused' | 'history' | 'notFound' | 'fatal'
  readonly error: CdcError
}

const UNAUTHORIZED = [13]
const AUTHENTICATION = [18, 391, 334]
/** Atlas answers with one code for many things. */
const ATLAS_ERROR = 8000
const HISTORY_LOST = [286, 136]
const NOT_REPLICA_SET = [40573]
const IMAGE_MISSING = [47]
const TOO_LARGE = [10334]
const CHANGE_STREAM_FATAL = 280
// InvalidUUID, then those of tokens and their KeyStrings; more of the latter are known by their text alone.
const INVALID_TOKEN = [207, 260, 40647, 40649, 40674, 50795, 50796, 50810, 50811, 50816, 50865, 51057]
const ABOUT_TOKEN = /resume token|KeyString|Invalid advance/i
// BadValue, FailedToParse, TypeMismatch, Overflow, IllegalOperation, CommandNotFound, InvalidNamespace,
// CommandNotSupportedOnView, OptionNotSupportedOnView, unknown stage or field, unknown option value, stage not allowed
const WATCH_INVALID = [2, 9, 14, 15, 20, 59, 73, 115, 166, 167, 40324, 40415, 51024, 6188501, 31441]

/** Server error, as far as it is looked at. */
interface ServerError {
  readonly code?: unknown
  readonly codeName?: unknown
}

/** Sorts an error of the driver or the server by what has to follow. */
export function classifySourceError(error: unknown): Verdict {
  if (isCdcError(error)) return { action: error.retryable ? 'retry' : 'fatal', error }
  const code = Number((error as ServerError | null)?.code)
  const text = messageOf(error)
  if (UNAUTHORIZED.includes(code)) return verdict('refused', 'CDC_SOURCE_UNAUTHORIZED', NEEDS_ROLES)
  if (AUTHENTICATION.includes(code) || (code === ATLAS_ERROR && /auth/i.test(text)))
    return verdict('refused', 'CDC_SOURCE_AUTH_FAILED', CHECK_PASSWORD)
  if (HISTORY_LOST.includes(code)) return verdict('history', 'CDC_HISTORY_LOST', LARGER_OPLOG)
  if (NOT_REPLICA_SET.includes(code)) return verdict('fatal', 'CDC_NOT_REPLICA_SET', START_REPLICA_SET)
  if (IMAGE_MISSING.includes(code)) return verdict('fatal', 'CDC_IMAGE_MISSING', ENABLE_IMAGES)
  if (TOO_LARGE.includes(code)) return verdict('fatal', 'CDC_EVENT_TOO_LARGE', SMALLER_EVENTS)
  if (code === CHANGE_STREAM_FATAL) {
    return /_id field|was modified|lacks a resume token/i.test(text)
      ? verdict('fatal', 'CDC_EVENT_ID_LOST', KEEP_ID)
      : verdict('notFound', 'CDC_POSITION_NOT_FOUND', FILTER_CHANGED)
  }
  const aboutToken = !Number.isNaN(code) && ABOUT_TOKEN.test(text)
  if (INVALID_TOKEN.includes(code) || aboutToken) return verdict('fatal', 'CDC_POSITION_INVALID', TOKEN_DAMAGED)
  if (WATCH_INVALID.includes(code)) return verdict('fatal', 'CDC_WATCH_INVALID', CHECK_WATCH)
  // An assertion in the server without a name: at the start it is most often about what the user asks for.
  if (/^Location\d+$/.test(String((error as ServerError | null)?.codeName))) {
    return verdict('refused', 'CDC_WATCH_INVALID', CHECK_WATCH)
  }
  if (/^BSON\w*Error$/.test(String((error as Error | null)?.name))) {
    return verdict('fatal', 'CDC_EVENT_UNDECODABLE', READ_RAW)
  }
  return verdict('retry', 'CDC_SOURCE_UNAVAILABLE')

  function verdict(action: Verdict['action'], name: CdcErrorCode, hint?: string): Verdict {
    // A refusal for lack of rights repeats the whole command with session and signature: only its code is told.
    const isAccess = name === 'CDC_SOURCE_UNAUTHORIZED' || name === 'CDC_SOURCE_AUTH_FAILED'
    const detail = isAccess ? String((error as ServerError).codeName ?? code) : withoutData(text, name)
    const retryable = action === 'retry'
    const details = { retryable, ...(hint !== undefined && { hint }), ...(!isAccess && { cause: error }) }
    return { action, error: new SourceError(name, `MongoDB: ${detail}`, details) }
  }
}

/** Without the event that some messages quote; what is to be watched is the user's own and stays. */
function withoutData(text: string, name: CdcErrorCode): string {
  return name === 'CDC_WATCH_INVALID' ? text : text.replace(/[\s:]*\{.*$/s, '')
}

const NEEDS_ROLES = 'the user needs the privileges `find` and `changeStream` on exactly what is watched'
const CHECK_PASSWORD = 'check user name, password and `authSource`'
const LARGER_OPLOG = 'the oplog is too small for the time that the pipeline was away; see `onHistoryLost`'
const START_REPLICA_SET = 'start mongod with `--replSet`, also for one node'
const ENABLE_IMAGES = 'enable `changeStreamPreAndPostImages` with `collMod`, or ask for "whenAvailable"'
const SMALLER_EVENTS = 'keep images off for this collection, or make its documents smaller'
const KEEP_ID = 'no stage of `pipeline` may remove or change `_id`'
const FILTER_CHANGED = 'the filter, or a document that it looks up, changed since the position was saved'
const TOKEN_DAMAGED = 'the saved position was damaged or does not belong to this stream'
const CHECK_WATCH = 'check namespace, `pipeline` and the document image options'
const READ_RAW = 'the reader "command" decodes what the driver\'s own decoder refuses'
