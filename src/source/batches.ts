import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { SourceError } from '../errors.js'
import type { Position, PositionOrigin, SourceRecord } from '../types.js'
import { portionsOf } from './portions.js'
import { timeOfToken } from './position.js'
import type { Reader, ReaderBatch } from './reader.js'
import { recordsUpToError } from './records.js'
import type { Supervised } from './supervise.js'
import { guardRead } from './watchdog.js'

/** A reader that stands, with what belongs to it. */
export interface OpenReader {
  readonly reader: Reader
  readonly origin: PositionOrigin
  /** Whether the server that holds the cursor is alive. */
  readonly probe: () => Promise<boolean>
}

/** How long a server may owe an answer though it lives; doubled each time until it gives one. */
const SILENCE_LIMIT_MS = 600_000

/** A week: a timer of Node can't be much longer. */
const MAX_PATIENCE = 1024

/** The first read only shows that the stream stands, and brings the errors that the server keeps until then. */
const FIRST_READ_MS = 1

/** How many times as patient as at first; lives on while the stream is opened again without getting anywhere. */
export interface Patience {
  factor: number
}

/**
 * The batches of one reader, in portions, until it is closed or hands over; the next one is always on its way while this
 * one is worked on.
 */
export async function* batches<E>(
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
      const goesOn = !batch.closed && !batch.handover
      if (goesOn) {
        next = read(maxAwaitTimeMS)
        next.catch(() => undefined) // looked at when its turn comes
        await turnOfTheLoop() // only now is the command really on the wire
      }
      tellOversized(batch, tell)
      let any = false
      for (const portion of portionsOf(batch)) {
        const { records, error } = recordsUpToError<E>(portion, position(), origin)
        any ||= records.length > 0
        if (records.length > 0 || error === undefined) yield records
        if (error !== undefined) throw error
      }
      if (goesOn) continue
      if (!batch.closed) return
      // A filter may hide the invalidate: then only the mark shows that there was one, and must not be met again.
      if (!any) throw cursorClosed()
      tell.invalidated(position())
      return
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    left.abort() // whoever leaves early must not leave a watchdog behind
  }
}

function tellOversized({ events }: ReaderBatch, tell: Supervised['tell']): void {
  for (const raw of events) {
    if (raw.oversized === undefined) continue // and not decoded yet
    const { event, id = event._id._data, oversized } = raw
    tell.oversized({ clusterTime: timeOfToken(event._id), id, outcome: oversized })
  }
}

function cursorClosed(): SourceError {
  return new SourceError('CDC_SOURCE_UNAVAILABLE', 'The server closed the change stream', { retryable: true })
}
