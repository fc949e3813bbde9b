import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { messageOf, SourceError } from '../errors.js'
import { backOffMs, sleep } from '../retry.js'
import type { Position, PositionOrigin, SourceRecord } from '../types.js'
import { classifySourceError, type Verdict } from './classify-error.js'
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

/** The first read only shows that the stream stands, and brings the errors that the server keeps until then. */
const FIRST_READ_MS = 1

const ACCESS_MIN_DELAY_MS = 5_000

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
  let fellBack = false
  while (!signal.aborted) {
    let open: OpenReader | undefined
    try {
      open = await orAbort(supervised.open(position), signal)
      for await (const records of batches<E>(open, () => position, signal, supervised)) {
        if (failures > 0 || !stood) tell.opened(position, stood)
        tell.healthy()
        stood = true
        failures = 0
        const last = records.at(-1)
        if (last !== undefined) {
          position = last.position
          fellBack = false
        }
        yield records
      }
      failures = 1 // opened again after an invalidate
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      const verdict = classifySourceError(error)
      tell.broken(verdict)
      position = await nextPosition(verdict)
      const delayMs = delayAfter(verdict, failures)
      tell.retry({ error: verdict.error, attempt: failures, delayMs })
      await sleep(delayMs, signal).catch(() => undefined)
    } finally {
      await open?.reader.close()
    }
  }

  /** Where to go on after this error; throws the error when there is no such place. */
  async function nextPosition({ action, error }: Verdict): Promise<Position> {
    switch (action) {
      case 'retry':
        return position
      case 'access':
        if (stood) return position // roles and passwords are changed at run time
        throw error
      case 'notFound':
        if (fellBack || position.kind === 'time') throw error
        fellBack = true
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
    const minDelayMs = action === 'access' ? ACCESS_MIN_DELAY_MS : supervised.minDelayMs
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
): AsyncGenerator<SourceRecord<E>[], void, undefined> {
  const left = new AbortController()
  const read = (maxTimeMs: number): Promise<ReaderBatch> =>
    guardRead(reader.nextBatch(maxTimeMs), {
      patienceMs: maxTimeMs + watchdogMs,
      probe,
      onSilence: silence => tell.watchdog(silence),
      signal: AbortSignal.any([signal, left.signal]),
    })
  try {
    let next = read(FIRST_READ_MS)
    for (;;) {
      const batch = await next
      const records = recordsOf<E>(batch, position(), origin)
      if (!batch.closed) {
        next = read(maxAwaitTimeMS)
        next.catch(() => undefined) // looked at when its turn comes
        await turnOfTheLoop() // only now is the command really on the wire
      }
      yield records
      if (!batch.closed) continue
      if (batch.events.at(-1)?.event.operationType !== 'invalidate') throw cursorClosed()
      tell.invalidated(position())
      return
    }
  } finally {
    left.abort() // whoever leaves early must not leave a watchdog behind
  }
}

function cursorClosed(): SourceError {
  return new SourceError('CDC_SOURCE_UNAVAILABLE', 'The server closed the change stream', { retryable: true })
}

/** The result of a call, or the reason of the signal: the call itself is left to its own time-outs. */
async function orAbort<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([call, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** For `health()`: one or two words. */
export function reasonOf({ action, error }: Verdict): { reason: string; error: string } {
  return { reason: action === 'access' ? 'unauthorized' : 'reconnecting', error: messageOf(error) }
}
