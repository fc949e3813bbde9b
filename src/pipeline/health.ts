import { messageOf } from '../errors.js'
import type { PipelineState } from '../events.js'
import type { ClusterTime, PartHealth, Position, Sink, Source } from '../types.js'
import type { Flow } from './pipeline.js'
import type { State } from './state.js'
import type { LeaseSummary, Terms } from './terms.js'

/** The last saved position. Without its token, which embeds the key of a document. */
export interface CheckpointSummary {
  readonly kind?: Position['kind']
  readonly clusterTime?: ClusterTime
  /** Milliseconds since 1970. */
  readonly savedAt?: number
  /** Settled events that would come again after a crash, beside those in flight. */
  readonly unsavedEvents: number
  /** The message of what the last load or save failed with, until one succeeds. */
  readonly error?: string
}

/** How a pipeline is doing. */
export interface PipelineHealth {
  readonly state: PipelineState
  /** False only when it failed: then nothing but a new pipeline helps. */
  readonly live: boolean
  /**
   * Whether it does its part, and nothing is in its way: state `running` or `standby`. An instance that stands by is
   * ready, as a rolling deployment ends the old instance only when the new one is; but not one that could not ask for the
   * lease, or had no answer, for longer than `ttlMs`: it would not take over.
   */
  readonly ready: boolean
  /** Why it is degraded: what source and sink say about themselves, `nack`, `checkpoint`, `lease`. */
  readonly reasons: readonly string[]
  readonly source?: PartHealth
  readonly sink?: PartHealth
  readonly checkpoint: CheckpointSummary
  /** With the option `lease`. */
  readonly lease?: LeaseSummary
}

/** What only grows while a pipeline runs. */
export interface PipelineCounters {
  /** Events read. */
  read: number
  /** Events for which the transform returned nothing. */
  filtered: number
  /** Events whose messages are all confirmed. */
  published: number
  /** Messages of the published events. */
  messages: number
  /** Events that failed for good, whatever the policy did with them. */
  failed: number
  /** Failed events that were skipped. */
  skipped: number
  /** Failed events whose dead letter is confirmed. */
  deadLettered: number
  /** Attempts after a failed one, of transforms and of publishing. */
  retries: number
}

/** What a pipeline has done. */
export interface PipelineStats extends Readonly<PipelineCounters> {
  readonly state: PipelineState
  /** Events from the oldest unsettled to the newest read; at most `maxInFlight`. */
  readonly inFlight: number
  /** Bytes of the unsettled events. */
  readonly inFlightBytes: number
  readonly peakInFlight: number
  readonly peakInFlightBytes: number
  /**
   * Age of the oldest unsettled event in milliseconds. With nothing unsettled 0 while source and sink are well, otherwise
   * the time for which one of them has not been: nothing is read then. 0 in `standby`, which is not there to read.
   */
  readonly lagMs: number
  /** Settled events that would come again after a crash, beside those in flight. */
  readonly unsavedEvents: number
  readonly checkpoint: CheckpointSummary
}

/** What health and statistics are read from. */
export interface Observed<E, M> {
  readonly state: State
  readonly terms: Terms<E, M>
  readonly counters: PipelineCounters
  readonly source: Source<E>
  readonly sink: Sink<M>
}

/** Puts the health together. */
export function healthOf<E, M>({ state, terms, source, sink }: Observed<E, M>): PipelineHealth {
  const { now, reasons } = state
  return {
    state: now,
    live: now !== 'failed',
    ready: now === 'running' || (now === 'standby' && terms.unanswered !== true),
    reasons,
    ...(source.health && { source: source.health() }),
    ...(sink.health && { sink: sink.health() }),
    checkpoint: checkpointOf(terms.flow),
    ...(terms.lease && { lease: terms.lease }),
  }
}

/** Puts the statistics together. */
export function statsOf<E, M>({ state, terms, counters, source, sink }: Observed<E, M>): PipelineStats {
  const { span } = terms.flow
  const checkpoint = checkpointOf(terms.flow)
  return {
    state: state.now,
    ...counters,
    inFlight: span.count,
    inFlightBytes: span.bytes,
    peakInFlight: span.peakCount,
    peakInFlightBytes: span.peakBytes,
    lagMs: state.now === 'standby' ? 0 : lagOf(span.oldestTime, [source.health?.(), sink.health?.()]),
    unsavedEvents: checkpoint.unsavedEvents,
    checkpoint,
  }
}

function lagOf(oldestTime: number | undefined, parts: readonly (PartHealth | undefined)[]): number {
  const unwell = parts.flatMap(health => (health && !health.ok ? [health.since] : []))
  const since = oldestTime ?? Math.min(...unwell) // infinite when all are well
  return Math.max(0, Date.now() - since)
}

function checkpointOf<E, M>({ checkpointer }: Flow<E, M>): CheckpointSummary {
  const { saved, unsavedEvents, error } = checkpointer
  const failing = { unsavedEvents, ...(error !== undefined && { error: messageOf(error) }) }
  if (!saved) return failing
  const { kind, clusterTime } = saved.position
  return { kind, clusterTime, savedAt: saved.savedAt.getTime(), ...failing }
}
