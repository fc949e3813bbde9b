import { OptionsError, TransformError } from '../errors.js'
import { assertTransform } from '../factories.js'
import { parseDeadLetter } from '../message/parse-dead-letter.js'
import { messageId } from '../message-id.js'
import { needsOf } from '../needs.js'
import { assertBoolean, assertInteger, assertKnown, assertMethods, assertText } from '../options.js'
import { outputsOf } from '../outputs.js'
import { retry } from '../retry.js'
import type { Sink, Transform } from '../types.js'
import { abortable, quietly } from '../waiting.js'
import type { AmqpConnection } from './amqp-types.js'
import { parseBrokerUrl } from './broker-address.js'
import { type Letter, LetterQueue } from './letter-queue.js'

/** What is sent again, and how. */
export interface RedriveOptions<E, M> {
  /**
   * Where the dead letters lie: `amqp://` or `amqps://`; with a client certificate pass a `connection`. Exactly one of
   * `url` and `connection`.
   */
  readonly url?: string
  /** A connection of amqplib's promise API; it stays open. */
  readonly connection?: AmqpConnection
  /** The queue of dead letters, 1 to 255 bytes. It is not declared. */
  readonly queue: string
  /**
   * The transform of the pipeline, mended. It has no time-out here. For letters with redacted events it must do without
   * a `redact` with hashes, or with short masks before a `keepLast`: they would be redacted twice.
   */
  readonly transform: Transform<E, NoInfer<M>>
  /**
   * As the source of the pipeline has it: `false` gives the transform `Int32`, `Long` and `Double`. Another value than
   * there gives it other types than the pipeline does.
   *
   * @default `false` where the transform needs exact types, as with canonical EJSON; otherwise `true`
   */
  readonly promoteValues?: boolean
  /** Where the messages go. Belongs to this call, which opens and closes it. */
  readonly sink: Sink<M>
  /** So many letters at most; from 1. @default all that lie there at the beginning */
  readonly limit?: number
  /** Abort ends it after the letter in hand, at most 5 s later; a server that doesn't answer takes some seconds more. */
  readonly signal?: AbortSignal
}

/** What became of the letters. */
export interface RedriveResult {
  /** Letters whose messages are all confirmed; they are gone from the queue. */
  readonly redriven: number
  /** Letters of which the transform made nothing; they are gone from the queue. */
  readonly filtered: number
  /** Letters that failed again; they are back in the queue. */
  readonly failed: number
  /** What lies in the queue afterwards, those that failed again included. */
  readonly remaining: number
  /** Why letters failed, the first 100. */
  readonly failures: readonly RedriveFailure[]
}

/** A letter that failed again. */
export interface RedriveFailure {
  /** Message id of the letter. */
  readonly messageId: string | undefined
  readonly error: unknown
}

const MAX_FAILURES = 100
const MAX_ATTEMPTS = 5
/** How long the letter in hand has after an abort, in milliseconds: sent once more it would come twice. */
const GRACE_MS = 5_000
const known = ['url', 'connection', 'queue', 'transform', 'promoteValues', 'sink', 'limit', 'signal']

/**
 * Sends the events of dead letters once more, through the transform and under the message ids that they would have had
 * in the first place. One letter after the other, in the order of the queue; each is acknowledged when all its messages
 * are confirmed. One that fails again goes back to the queue at the end. A crash on the way repeats, and loses nothing.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`; BrokerError where the queue can't be read or the
 * sink can't be opened; the reason of the signal when it is aborted before the first letter.
 */
export async function redrive<E, M>(options: RedriveOptions<E, M>): Promise<RedriveResult> {
  assertOptions(options)
  const { url, connection, queue, sink, signal = new AbortController().signal } = options
  try {
    await abortable(signal, () => sink.open?.({ signal }))
    const letters = await LetterQueue.open({ url, connection, queue }, signal)
    try {
      return await redriveAll(letters, options, signal)
    } finally {
      await letters.close()
    }
  } finally {
    // Aborted, it has waited for the letter in hand already: what is still unconfirmed stays in the queue as a letter.
    await quietly(() => sink.close(signal.aborted ? { drainTimeoutMs: 0 } : {}))
  }
}

async function redriveAll<E, M>(
  letters: LetterQueue,
  options: RedriveOptions<E, M>,
  signal: AbortSignal,
): Promise<RedriveResult> {
  const counts = { redriven: 0, filtered: 0, failed: 0 }
  const failures: RedriveFailure[] = []
  const late = lateSignal(signal, GRACE_MS)
  // Those that come meanwhile are for the next time: a pipeline that goes on failing would never let it end.
  const there = await letters.count()
  for (let left = Math.min(there, options.limit ?? there); left > 0 && !signal.aborted; left -= 1) {
    const letter = await letters.next()
    if (!letter) break
    try {
      counts[await abortable(late, () => redriveOne(letter, options, late))] += 1
    } catch (error) {
      // Kept unacknowledged until the end: put back at once it would be the next one again.
      counts.failed += 1
      const { messageId: id } = letter.properties
      if (failures.length < MAX_FAILURES) failures.push({ messageId: typeof id === 'string' ? id : undefined, error })
      continue
    }
    letters.ack(letter)
  }
  // Counted before: the broker puts them back in its own time.
  const remaining = (await letters.count()) + counts.failed
  letters.putBack()
  return { ...counts, remaining, failures }
}

async function redriveOne<E, M>(
  letter: Letter,
  { transform, promoteValues, sink }: RedriveOptions<E, M>,
  signal: AbortSignal,
): Promise<'redriven' | 'filtered'> {
  const { exactTypes, hiding } = needsOf(transform)
  const read = { promoteValues: promoteValues ?? !exactTypes }
  const { id, event, replaced, redacted } = await parseDeadLetter<E>(letter.content, read)
  if (replaced.length > 0) throw notWhole(replaced.length)
  if (redacted && hiding === 'once') throw redactedTwice()
  const output: unknown = await transform(event, { event, id, signal })
  const messages = outputsOf<M>(output)
  for (const [index, message] of messages.entries()) {
    await retry(async () => sink.publish(message, { id: messageId(id, index) }), {
      attempts: MAX_ATTEMPTS,
      signal,
      shouldRetry: error => (error as { retryable?: unknown } | null | undefined)?.retryable !== false,
    })
  }
  return messages.length > 0 ? 'redriven' : 'filtered'
}

/** Aborted so long after the other one. */
function lateSignal(signal: AbortSignal, ms: number): AbortSignal {
  const late = new AbortController()
  const abort = (): unknown => setTimeout(() => late.abort(signal.reason), ms).unref()
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return late.signal
}

function assertOptions<E, M>(options: RedriveOptions<E, M>): void {
  assertKnown('redrive', options, known)
  const { url, connection, queue, transform, promoteValues, sink, limit } = options
  if ((url === undefined) === (connection === undefined)) {
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected exactly one of `url` and `connection` for redrive')
  }
  if (url !== undefined) parseBrokerUrl('url', url, undefined)
  if (connection !== undefined) assertMethods('connection', connection, ['createChannel', 'on'])
  assertText('queue', queue, 255)
  assertTransform('transform', transform)
  if (promoteValues !== undefined) assertBoolean('promoteValues', promoteValues)
  if (promoteValues && needsOf(transform).exactTypes) {
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected `promoteValues` to be false for canonical EJSON, got true')
  }
  assertMethods('sink', sink, ['publish', 'close'])
  if (limit !== undefined) assertInteger('limit', limit, 1)
}

function notWhole(parts: number): TransformError {
  const text = `Expected a dead letter with its whole event, got one with ${parts} of its parts replaced`
  return new TransformError('CDC_DEAD_LETTER_INVALID', text, {
    hint: 'See `replaced` of the letter; make the event anew by writing the document once more, and remove the letter',
  })
}

function redactedTwice(): TransformError {
  const text =
    'Expected a transform without `redact` for a dead letter that is redacted, got one that hashes or masks anew'
  return new TransformError('CDC_DEAD_LETTER_INVALID', text, {
    hint: 'Re-drive with a transform without `redact`: the event is redacted already',
  })
}
