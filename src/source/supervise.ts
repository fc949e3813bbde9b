import { isAccessError } from '../access-errors.js'
import { messageOf, type SourceError } from '../errors.js'
import type { OversizedOutcome } from '../events.js'
import { backOffMs } from '../retry.js'
import type { ClusterTime, Position, SourceRecord } from '../types.js'
import { abortable, sleep } from '../waiting.js'
import { batches, type OpenReader, type Patience } from './batches.js'
import { classifySourceError, type Verdict } from './classify-error.js'
import { type Approach, nextApproach } from './oversized-event.js'
import { compareTimes } from './position.js'

/** What the supervision needs to know and to tell; all I/O is behind it. */
export interface Supervised {
  /** Opens a reader after this position; rejects when the position can't be used here. */
  readonly open: (after: Position, approach: Approach) => Promise<OpenReader>
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

/** What is told on the way. */
export interface Tell {
  opened(after: Position, reopened: boolean): void
  healthy(): void
  broken(verdict: Verdict): void
  retry(retry: { error: unknown; attempt: number; delayMs: number }): void
  watchdog(silence: { silentMs: number; answered: boolean }): void
  positionFallback(from: Position, error: unknown): void
  invalidated(at: Position): void
  oversized(oversized: { clusterTime: ClusterTime; id: string; outcome: OversizedOutcome }): void
  historyLost(from: Position, to: Position | undefined, error: unknown): void
}

const REFUSED_MIN_DELAY_MS = 5_000

/**
 * The records of a stream that is opened again after every fault that passes, always from the position behind the last
 * ones that were handed out. Returns on abort; throws a {@link SourceError} that can't be healed.
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
  let approach: Approach = 'batches'
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
      approach = 'batches'
    } catch (error) {
      if (signal.aborted) return
      const verdict = classifySourceError(error)
      const next: Approach | undefined = verdict.action === 'tooLarge' ? nextApproach(approach) : undefined
      approach = next ?? 'batches'
      if (next !== undefined) continue // nothing is wrong with the server: no delay
      failures += 1
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
    const opening = supervised.open(position, approach)
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
        const to = await abortable(signal, () => supervised.now()).catch(() => undefined)
        if (supervised.onHistoryLost === 'fail') {
          tell.historyLost(position, to, error)
          throw error
        }
        if (to === undefined) return position // away again: the same error comes back, and this is asked once more
        tell.historyLost(position, to, error)
        return to
      }
      case 'tooLarge':
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

/** For `health()`: one or two words. */
export function reasonOf({ error }: Verdict): { reason: string; error: string } {
  return { reason: isAccessError(error) ? 'unauthorized' : 'reconnecting', error: messageOf(error) }
}
