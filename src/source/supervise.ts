import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { type CdcErrorCode, messageOf, SourceError } from '../errors.js'
import { backOffMs } from '../retry.js'
import type { ClusterTime, Position, PositionOrigin, SourceRecord } from '../types.js'
import { abortable, sleep } from '../waiting.js'
import { classifySourceError, type Verdict } from './classify-error.js'
import { compareTimes } from './position.js'
import type { Reader, ReaderBatch } from './reader.js'
import { recordsOf } from './records.js'
import { guardRead } from './watchdog.js'

/** What the supervision needs to know and to tell; all I/O is behind it. */
export interface Supervised {
  /** Opens a reader after this position; rejects when the position can't be used here. */
  readonly open: (after: Position) => Promise<OpenReader>
  /** The present time of the deployment, for `onHistoryLost: 'now'`. */
  readonly now: () => Promise<Position>
  readonly maxAwaitTimeMS: number
  readonly watchdogMs: number
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly onHistoryLost: 'fail' | 'now'
  readonly random: () => number
  readonly tell: Tell
}

/** A reader that stands, with what belongs to it. */
export interface OpenReader {
  readonly reader: Reader
  readonly origin: PositionOrigin
  /** Whether the server that holds the cursor is alive. */
  readonly probe: () => Promise<boolean>
}

/** What is told on the way. */
export interface Tell {
  opened(after: Position, reopened: boolean): void
  healthy(): void
  broken(verdict: Verdict): void
  retry(retry: { error: unknown; attempt: number; delayMs: number }): void
  watchdog(silence: { silentMs: number; answered: boolean }): void
  positionFallback(from: Position, error: unknown): void
  invalidated(at: Position): void
  historyLost(from: Position, to: Position | undefined, error: unknown): void
}

/** How long a server may owe an answer though it lives; doubled each time until it gives one. */
const SILENCE_LIMIT_MS = 600_000

/** A week: a timer of Node can't be much longer. */
const MAX_PATIENCE = 1024

/** The first read only shows that the stream stands, and brings the errors that the server keeps until then. */
const FIRST_READ_MS = 1

const REFUSED_MIN_DELAY_MS = 5_000

/**
 * The batches of a stream that is opened again after every fault that passes, always from the position behind the last
 * batch that was handed out. Returns on abort; throws a {@link SourceError} that can't be healed.
 */
export async function* supervise<E>(
  start: Position,
  signal: AbortSignal,
  supervised: Supervised,
): AsyncGenerator<SourceRecord<E>[], void, undefined> {
  const { tell } = supervised
  let position = start
  let failures = 0
  let stood = false
  let wentBackTo: ClusterTime | undefined
  const patience: Patience = { factor: 1 }
  while (!signal.aborted) {
    let open: OpenReader | undefined
    let answers = 0
    try {
      open = await openReader()
      for await (const records of batches<E>(open, () => position, signal, supervised, patience)) {
        answers += 1
        if (answers === 1) tell.opened(position, stood)
        tell.healthy()
        stood = true
        position = records.at(-1)?.position ?? position
        // The first answer may be empty long before the place that fails: it alone must not undo the back-off.
        if (answers > 1 || records.length > 0) {
          failures = 0
          patience.factor = 1
        }
        yield records
      }
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      const verdict = classifySourceError(error)
      tell.broken(verdict)
      position = await nextPosition(verdict)
      const delayMs = delayAfter(verdict, failures)
      tell.retry({ error: verdict.error, attempt: failures, delayMs })
      await Promise.all([open?.reader.close(), sleep(delayMs, signal).catch(() => undefined)])
      open = undefined
    } finally {
      await open?.reader.close()
    }
  }

  async function openReader(): Promise<OpenReader> {
    const opening = supervised.open(position)
    try {
      return await abortable(signal, () => opening)
    } catch (error) {
      // Aborted, it may still open: the cursor would live on in the server.
      if (signal.aborted) opening.then(late => late.reader.close()).catch(() => undefined)
      throw error
    }
  }

  /** Where to go on after this error; throws the error when there is no such place. */
  async function nextPosition({ action, error }: Verdict): Promise<Position> {
    switch (action) {
      case 'retry':
        return position
      case 'refused':
        if (stood) return position // roles and passwords are changed at run time
        throw error
      case 'notFound':
        // Back to the same time once more would bring the same events and the same error, again and again.
        if (position.kind === 'time' || (wentBackTo && compareTimes(wentBackTo, position.clusterTime) === 0))
          throw error
        wentBackTo = position.clusterTime
        tell.positionFallback(position, error)
        return { kind: 'time', clusterTime: position.clusterTime, ...(position.origin && { origin: position.origin }) }
      case 'history': {
        if (supervised.onHistoryLost === 'fail') {
          tell.historyLost(position, undefined, error)
          throw error
        }
        const to = await supervised.now().catch(() => undefined)
        if (to === undefined) return position // away again: the same error comes back, and this is asked once more
        tell.historyLost(position, to, error)
        return to
      }
      case 'fatal':
        throw error
    }
  }

  function delayAfter({ action }: Verdict, attempt: number): number {
    const minDelayMs = action === 'refused' ? REFUSED_MIN_DELAY_MS : supervised.minDelayMs
    return backOffMs(attempt, supervised.random, {
      minDelayMs,
      maxDelayMs: Math.max(minDelayMs, supervised.maxDelayMs),
    })
  }
}

/** The batches of one reader until it is closed, the next one always on its way while this one is worked on. */
async function* batches<E>(
  { reader, origin, probe }: OpenReader,
  position: () => Position,
  signal: AbortSignal,
  { maxAwaitTimeMS, watchdogMs, tell }: Supervised,
  patience: Patience,
): AsyncGenerator<SourceRecord<E>[], void, undefined> {
  // One controller for all reads, not `AbortSignal.any` for each: Node never forgets those of a signal that lives on.
  const left = new AbortController()
  const onAbort = (): void => left.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  async function read(maxTimeMs: number): Promise<ReaderBatch> {
    // Also for the first read: the driver's reader can't shorten it.
    const patienceMs = (maxAwaitTimeMS + watchdogMs) * patience.factor
    // Where one silence is already longer than the limit, it is still asked twice.
    const limitMs = Math.max(SILENCE_LIMIT_MS * patience.factor, 2 * patienceMs)
    let silent = false
    const onSilence = (silence: { silentMs: number; answered: boolean }): void => {
      silent = true
      if (silence.answered && silence.silentMs >= limitMs) patience.factor = Math.min(2 * patience.factor, MAX_PATIENCE)
      tell.watchdog(silence)
    }
    const batch = await guardRead(reader.nextBatch(maxTimeMs), {
      patienceMs,
      limitMs,
      probe,
      onSilence,
      signal: left.signal,
    })
    if (silent) tell.healthy() // here, since whoever takes the batch may be busy for long
    return batch
  }
  try {
    let next = read(FIRST_READ_MS)
    for (;;) {
      const batch = await next
      if (left.signal.aborted) return // read ahead, and not wanted any more
      const records = recordsOf<E>(batch, position(), origin)
      if (!batch.closed) {
        next = read(maxAwaitTimeMS)
        next.catch(() => undefined) // looked at when its turn comes
        await turnOfTheLoop() // only now is the command really on the wire
      }
      yield records
      if (!batch.closed) continue
      // A filter may hide the invalidate: then only the mark shows that there was one, and must not be met again.
      if (records.length === 0) throw cursorClosed()
      tell.invalidated(position())
      return
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    left.abort() // whoever leaves early must not leave a watchdog behind
  }
}

/** How many times as patient as at first; lives on while the stream is opened again without getting anywhere. */
interface Patience {
  factor: number
}

function cursorClosed(): SourceError {
  return new SourceError('CDC_SOURCE_UNAVAILABLE', 'The server closed the change stream', { retryable: true })
}

const ACCESS: readonly CdcErrorCode[] = ['CDC_SOURCE_UNAUTHORIZED', 'CDC_SOURCE_AUTH_FAILED', 'CDC_SOURCE_TLS_FAILED']

/** For `health()`: one or two words. */
export function reasonOf({ error }: Verdict): { reason: string; error: string } {
  const { code } = error
  return { reason: ACCESS.includes(code) ? 'unauthorized' : 'reconnecting', error: messageOf(error) }
}
