import { type CdcError, type CdcErrorCode, isCdcError, messageOf, SourceError } from '../errors.js'
import { isTlsFailure } from '../tls-failure.js'
import { networkHint } from './network-hint.js'

/**
 * What an error of MongoDB means for the stream. Pure, and total: what isn't listed here passes by itself.
 * Codes are those of the server's `error_codes.yml`.
 */
export interface Verdict {
  /**
   * `retry`: open again from the last position. `refused`: fatal at the start; tried again slowly later, since roles and
   * passwords are changed at run time. `history`: the oplog no longer holds the position. `notFound`: the server
   * doesn't find the event of the position. `tooLarge`: the next event can't be sent as it is. `fatal`: can't heal by
   * itself.
   */
  readonly action: 'retry' | 'refused' | 'history' | 'notFound' | 'tooLarge' | 'fatal'
  readonly error: CdcError
}

const UNAUTHORIZED = [13]
const AUTHENTICATION = [11, 18, 391, 334]
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
// CommandNotSupportedOnView, OptionNotSupportedOnView, InvalidPipelineOperator; unknown stage or field, unknown option
// value, stage not allowed; several fields in a stage, filter that is none, number of arguments, unknown variable, mixed
// projection
const WATCH_INVALID = [
  ...[2, 9, 14, 15, 20, 59, 73, 115, 166, 167, 168],
  ...[40324, 40415, 51024, 6188501, 31441, 40323, 15959, 16020, 17276, 31253, 31254],
]
// ConversionFailure: a stage meets a value of a document that it can't convert.
const EVALUATION = [241]
/** What the server puts before errors of running a pipeline: the rest may quote any value of a document. */
const WHILE_RUNNING = /Executor error/

/** Server error, as far as it is looked at. */
interface ServerError {
  readonly name?: unknown
  readonly code?: unknown
  readonly codeName?: unknown
}

/**
 * Sorts an error of the driver or the server by what has to follow. Nothing of a document, token, session or signature
 * gets into the result: the server's text is quoted only where it is known what it says, and never its own object.
 */
export function classifySourceError(error: unknown): Verdict {
  if (isCdcError(error)) return { action: actionOf(error), error }
  const code = codeOf(error)
  const text = messageOf(error)
  if (UNAUTHORIZED.includes(code)) return verdict('refused', 'CDC_SOURCE_UNAUTHORIZED', NEEDS_ROLES)
  if (AUTHENTICATION.includes(code) || (code === ATLAS_ERROR && /auth/i.test(text)))
    return verdict('refused', 'CDC_SOURCE_AUTH_FAILED', CHECK_PASSWORD)
  if (HISTORY_LOST.includes(code)) return verdict('history', 'CDC_HISTORY_LOST', LARGER_OPLOG, withoutData(text))
  if (NOT_REPLICA_SET.includes(code))
    return verdict('fatal', 'CDC_NOT_REPLICA_SET', START_REPLICA_SET, withoutData(text))
  if (IMAGE_MISSING.includes(code)) return verdict('fatal', 'CDC_IMAGE_MISSING', ENABLE_IMAGES, withoutData(text))
  if (TOO_LARGE.includes(code)) return verdict('tooLarge', 'CDC_EVENT_TOO_LARGE', SMALLER_EVENTS, withoutData(text))
  if (code === CHANGE_STREAM_FATAL) {
    return /_id field|was modified|lacks a resume token/i.test(text)
      ? verdict('fatal', 'CDC_EVENT_ID_LOST', KEEP_ID, withoutData(text))
      : verdict('notFound', 'CDC_POSITION_NOT_FOUND', FILTER_CHANGED, withoutData(text))
  }
  if (EVALUATION.includes(code)) return verdict('refused', 'CDC_WATCH_INVALID', MIND_VALUES)
  const running = WHILE_RUNNING.test(text)
  const aboutToken = !Number.isNaN(code) && !running && ABOUT_TOKEN.test(text)
  if (INVALID_TOKEN.includes(code) || aboutToken)
    return verdict('fatal', 'CDC_POSITION_INVALID', TOKEN_DAMAGED, running ? undefined : withoutData(text))
  // What is to be watched is the user's own, so the parser's words stay whole.
  if (WATCH_INVALID.includes(code))
    return verdict('fatal', 'CDC_WATCH_INVALID', CHECK_WATCH, running ? undefined : text)
  // An assertion in the server without a name: at the start it is most often about what the user asks for.
  if (/^Location\d+$/.test(String((error as ServerError | null)?.codeName))) {
    return verdict('refused', 'CDC_WATCH_INVALID', CHECK_WATCH)
  }
  if (/^BSON\w*Error$/.test(String((error as ServerError | null)?.name))) {
    return verdict('fatal', 'CDC_EVENT_UNDECODABLE', READ_RAW)
  }
  if (isTlsFailure(error) || isUnreadableFile(error)) return verdict('refused', 'CDC_SOURCE_TLS_FAILED', CHECK_TLS)
  return verdict('retry', 'CDC_SOURCE_UNAVAILABLE', networkHint(error, text))

  /** Without `quoted` an error of the server is told by its name and code alone. */
  function verdict(action: Verdict['action'], name: CdcErrorCode, hint?: string, quoted?: string): Verdict {
    const ofServer = !Number.isNaN(code)
    const detail = ofServer ? (quoted ?? namesOf(error as ServerError, code)) : withoutData(text)
    const cause = ofServer ? plainCause(error as ServerError, code, detail) : error
    const details = { retryable: action === 'retry', cause, ...(hint !== undefined && { hint }) }
    return { action, error: new SourceError(name, `MongoDB: ${detail}`, details) }
  }
}

/** Of an error that is ours already. */
function actionOf({ retryable, code }: CdcError): Verdict['action'] {
  if (retryable) return 'retry'
  return code === 'CDC_POSITION_NOT_FOUND' ? 'notFound' : 'fatal'
}

/** The server's numeric code, `NaN` for all other errors: those of sockets have a text there. */
function codeOf(error: unknown): number {
  const code = (error as ServerError | null | undefined)?.code
  return code == null || typeof code === 'string' ? Number.NaN : Number(code)
}

/** The only files that the driver opens are those of certificates and keys. */
function isUnreadableFile(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown }
  return syscall === 'open' && (code === 'ENOENT' || code === 'EACCES')
}

function namesOf({ codeName }: ServerError, code: number): string {
  return `${codeName ?? 'error'} (${code})`
}

/** The driver's error carries the whole reply, with the cluster time's signature, and in its text often the command. */
function plainCause({ name, codeName }: ServerError, code: number, text: string): Error {
  return Object.assign(new Error(text), { name: String(name), code, ...(codeName !== undefined && { codeName }) })
}

/** Without the event that some messages quote. */
function withoutData(text: string): string {
  return text.replace(/[\s:]*(?:First element|\{).*$/s, '')
}

const NEEDS_ROLES = 'the user needs the privileges `find` and `changeStream` on exactly what is watched'
const CHECK_PASSWORD = 'check user name, password and `authSource`'
const CHECK_TLS =
  'check `tlsCAFile`, the names and the expiry in the certificate of the server, and your own certificate'
const LARGER_OPLOG = 'the oplog is too small for the time that the pipeline was away; see `onHistoryLost`'
const START_REPLICA_SET = 'start mongod with `--replSet`, also for one node'
const ENABLE_IMAGES = 'enable `changeStreamPreAndPostImages` with `collMod`, or ask for "whenAvailable"'
const SMALLER_EVENTS =
  'a stage of `pipeline` needs the whole event: filter in a transform instead, or keep images off for this collection'
const KEEP_ID = 'no stage of `pipeline` may remove or change `_id`'
const FILTER_CHANGED = 'the filter, or a document that it looks up, changed since the position was saved'
const TOKEN_DAMAGED = 'the saved position was damaged or does not belong to this stream'
const CHECK_WATCH = 'check namespace, `pipeline` and the document image options'
const MIND_VALUES = 'a stage of `pipeline` fails on a value of an event: give `onError` to `$convert`, or filter it out'
const READ_RAW = 'the reader "command" decodes what the driver\'s own decoder refuses'
