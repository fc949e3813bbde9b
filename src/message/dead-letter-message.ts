import type { ChangeStreamDocument } from 'mongodb'
import { type DocumentImage, documentImageOf, isDocumentImage } from '../document-image.js'
import { messageOf, TransformError } from '../errors.js'
import { assertTransform, markFactory } from '../factories.js'
import { markUndecided } from '../needs.js'
import { assertKnown, assertText, fail } from '../options.js'
import type { HeaderValue, RabbitMessage } from '../types.js'
import { type ReplacedPart, totalEjson } from './total-ejson.js'

/** Where dead letters go. */
export interface DeadLetterMessageOptions<E extends object = ChangeStreamDocument> {
  /** At most 255 bytes; `''` is the broker's default exchange. @default the publisher's exchange */
  readonly exchange?: string
  /** At most 255 bytes. A queue must be bound for it: a dead letter that is returned stops the pipeline. @default the publisher's `routingKey` */
  readonly routingKey?: string
  /**
   * Hides fields of the event before it is written: most often `redact({ … })`, `omit(…)` or `pick(…)`, with paths as the
   * source names them, whatever the transform renames. Synchronous. If it throws, or returns no event, the pipeline
   * stops. `false`: the whole event is wanted. A pipeline whose transform contains one of the three asks for a decision.
   *
   * @default the whole event
   */
  readonly redact?: ((event: E) => E) | false
}

/** What a dead letter tells: what the pipeline gives to `deadLetter.message`. */
export interface DeadLetterFacts {
  readonly pipeline: string
  readonly id: string
  readonly stage: 'transform' | 'publish'
  readonly attempts: number
  readonly error: unknown
  readonly event: unknown
  readonly failedAt: Date
}

/** An error in a dead letter, with those that led to it, up to five. */
export interface DeadLetterError {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  readonly cause?: DeadLetterError
}

/** The body of a dead letter beside its event. */
export interface DeadLetterBody {
  /** The version of this form. */
  readonly deadLetter: 1
  readonly pipeline: string
  /** Stable id of the event, the seed of its message ids. */
  readonly id: string
  readonly stage: 'transform' | 'publish'
  readonly attempts: number
  /** ISO 8601. */
  readonly failedAt: string
  readonly error: DeadLetterError
  /** Parts of the event that have no form in EJSON, for which `null` stands: a transform has put them there. */
  readonly replaced: readonly ReplacedPart[]
  /** There, and `true`, where `redact` of `deadLetterMessage` was applied to the event. */
  readonly redacted?: boolean
  /** Of which moment the document is, where the source has said so: what `documentImageOf` tells of the event. */
  readonly image?: DocumentImage
}

const MAX_CAUSES = 5
/** Above this length in bytes a header is left out: it would crowd out the others. */
const MAX_HEADER_BYTES = 8 * 1024

/**
 * Makes the dead letter of a failed event, for `deadLetter.message` of the pipeline: the whole event in canonical EJSON
 * with its resume token, what failed and how, so that the letter alone is enough to reproduce the failure. It holds
 * also what the transform leaves out, unless `redact` hides it, and what errors say: mind who may read the queue. The
 * returned function throws only what `redact` throws, or a TransformError `CDC_TRANSFORM_FAILED` for what it returns.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`
 */
export function deadLetterMessage<E extends object = ChangeStreamDocument>(
  options: DeadLetterMessageOptions<E> = {},
): (facts: DeadLetterFacts) => RabbitMessage {
  assertKnown('deadLetterMessage', options, ['exchange', 'routingKey', 'redact'])
  const { exchange, routingKey, redact } = options
  if (exchange !== undefined && exchange !== '') assertText('exchange', exchange, 255)
  if (routingKey !== undefined) assertText('routingKey', routingKey, 255)
  const address = { ...(exchange !== undefined && { exchange }), ...(routingKey !== undefined && { routingKey }) }
  if (typeof redact === 'function') assertTransform('redact', redact)
  else if (redact !== undefined && redact !== false) fail('redact', 'a function or false', redact)

  function deadLetter(facts: DeadLetterFacts): RabbitMessage {
    const { text, replaced } = totalEjson(redact ? shownBy(redact, facts.event) : facts.event)
    const { pipeline, id, stage, attempts, failedAt } = facts
    const error = describeError(facts.error)
    // Of the event as it came: `redact` may have built another one.
    const image = imageOf(facts.event)
    const about: DeadLetterBody = {
      deadLetter: 1,
      pipeline,
      id,
      stage,
      attempts,
      failedAt: failedAt.toISOString(),
      error,
      replaced,
      ...(redact && { redacted: true }),
      ...(image !== undefined && { image }),
    }
    return {
      ...address,
      body: Buffer.from(`${JSON.stringify(about).slice(0, -1)},"event":${text}}`),
      contentType: 'application/json',
      type: 'dead-letter',
      timestamp: Math.floor(failedAt.getTime() / 1000),
      headers: headersOf(about),
    }
  }
  if (redact === undefined) markUndecided(deadLetter)
  return deadLetter
}

markFactory('deadLetterMessage', deadLetterMessage)

/** What is left of the event; anything but an event would be a letter that nobody can send again. */
function shownBy<E>(redact: (event: E) => E, event: unknown): object {
  const shown: unknown = redact(event as E)
  const isObject = typeof shown === 'object' && shown !== null
  if (isObject && !('then' in shown) && !Array.isArray(shown)) return shown
  // What it rejects with would be unhandled, and printed.
  if (shown instanceof Promise) shown.catch(() => {})
  const text = 'Expected `redact` of deadLetterMessage to return the event, got something else'
  throw new TransformError('CDC_TRANSFORM_FAILED', text, { hint: 'It must be synchronous, and must not filter' })
}

/** An event that throws where it is read still gets its letter. */
function imageOf(event: unknown): DocumentImage | undefined {
  try {
    const image = documentImageOf(event)
    return isDocumentImage(image) ? image : undefined
  } catch {
    return undefined
  }
}

function headersOf(body: DeadLetterBody): { readonly [name: string]: HeaderValue } {
  const { pipeline, id, stage, attempts, failedAt, error } = body
  const cause = rootOf(error)
  return {
    'x-cdc-pipeline': pipeline,
    ...(Buffer.byteLength(id) <= MAX_HEADER_BYTES && { 'x-cdc-event-id': id }),
    'x-cdc-stage': stage,
    'x-cdc-attempts': attempts,
    'x-cdc-failed-at': failedAt,
    ...(error.code !== undefined && { 'x-cdc-error-code': String(error.code) }),
    'x-cdc-error-name': cause.name,
    'x-cdc-error-message': cause.message,
  }
}

/** What was thrown in the first place: that of a transform is the cause of ours. */
function rootOf(error: DeadLetterError): DeadLetterError {
  return error.cause ? rootOf(error.cause) : error
}

function describeError(error: unknown, depth = 0): DeadLetterError {
  try {
    const { name, code, cause } = (error ?? {}) as { name?: unknown; code?: unknown; cause?: unknown }
    const shown = typeof code === 'string' || (typeof code === 'number' && Number.isFinite(code))
    return {
      name: wellFormed(typeof name === 'string' ? name : typeof error),
      message: wellFormed(messageOf(error)),
      ...(shown && { code: typeof code === 'string' ? wellFormed(code) : code }),
      ...(cause !== undefined && depth < MAX_CAUSES - 1 && { cause: describeError(cause, depth + 1) }),
    }
  } catch {
    return { name: 'Error', message: 'The error can not be described: one of its fields throws' }
  }
}

/** At most 500 characters, without halves of surrogate pairs, which AMQP can't carry. */
function wellFormed(text: string): string {
  return Buffer.from(text.slice(0, 500)).toString()
}
