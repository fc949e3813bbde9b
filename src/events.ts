import type { CheckpointError } from './errors.js'
import type { ClusterTime, Position } from './types.js'

/**
 * What the three parts tell: one documented object per event. Errors in here carry no secrets and no documents, but for
 * what your own functions throw. `event` is the change as the source gave it, also where `redact` hides fields of it in
 * what is published: it is handed to your own code in this process, so don't log it. Ids and positions hold resume
 * tokens, which embed the `_id`.
 */

/** Calls the listeners; one that throws surfaces as an uncaught exception and can't disturb the flow. */
export function emitSafely<Name, Payload>(
  emit: (name: Name, payload: Payload) => unknown,
  name: Name,
  payload: Payload,
): void {
  try {
    emit(name, payload)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/**
 * States of a pipeline. `degraded` still runs, but something needs attention: see the reasons. `standby`: another instance
 * has the lease.
 */
export type PipelineState =
  | 'idle'
  | 'starting'
  | 'standby'
  | 'running'
  | 'degraded'
  | 'paused'
  | 'stopping'
  | 'stopped'
  | 'failed'

/** Where an event failed. */
export type FailureStage = 'transform' | 'publish'

/** What is tried again: a stage of an event, or the sending of its dead letter. */
export type RetryStage = FailureStage | 'dead-letter'

/** What happens to an event that failed for good. */
export type FailedEventAction = 'stop' | 'skip' | 'dead-letter'

/**
 * Why a pipeline ended. `stop`: `stop()`, or the signal of `run()`. `source-ended`: the source has nothing more. The
 * others come with an error: of an event (`event-failed`, `policy-failed`, `dead-letter-failed`, `circuit-open`), of a
 * part (`source`, `sink`, `checkpoint`), or `start-timeout`.
 */
export type StopReason =
  | 'stop'
  | 'source-ended'
  | 'event-failed'
  | 'policy-failed'
  | 'dead-letter-failed'
  | 'circuit-open'
  | 'source'
  | 'sink'
  | 'checkpoint'
  | 'start-timeout'

/** What became of an event that was larger than the server can send; also the words of the option `oversized`. */
export type OversizedOutcome = 'split' | 'reread' | 'key-only'

// A type, not an interface: typed-emitter asks for an index signature.
/** Events of a pipeline. Those of single events (`published`, `filtered`) cost nothing while nobody listens. */
export type PipelineEvents = {
  /** The state changed. `reasons` says why it is degraded. */
  state: (change: { from: PipelineState; to: PipelineState; reasons: readonly string[] }) => void
  /** All messages of an event are confirmed. */
  published: (published: { id: string; event: unknown; messages: number; attempts: number }) => void
  /** A transform filtered the event: nothing is published for it. */
  filtered: (filtered: { id: string; event: unknown }) => void
  /** A message or a dead letter is going to be sent, or a transform to be called, once more. */
  retry: (retry: { id: string; stage: RetryStage; error: unknown; attempt: number; delayMs: number }) => void
  /** An event failed for good; `action` is what the policy does with it. */
  failedEvent: (failed: {
    id: string
    stage: FailureStage
    error: unknown
    event: unknown
    attempts: number
    action: FailedEventAction
  }) => void
  /** The dead letter of an event is confirmed: only now its position may be saved. */
  deadLettered: (letter: { id: string; event: unknown }) => void
  /** A position was saved. */
  checkpoint: (saved: { position: Position; savedAt: Date }) => void
  /** A position could not be saved, or at start loaded; it is tried again; intake pauses when too much is unsaved. */
  checkpointFailed: (failed: { error: unknown; attempt: number; delayMs: number }) => void
  /** With the option `lease`: this instance has it now, reads the saved position, and goes on behind it. */
  leaseAcquired: (acquired: { epoch: number }) => void
  /**
   * With the option `lease`: the store could not be asked for the lease, or to renew it; or the lease was given back, as the
   * source could not be opened. It is tried again. Not told when another instance has it.
   */
  leaseFailed: (failed: { error: unknown; attempt: number; delayMs: number }) => void
  /**
   * The lease of this epoch is lost: nothing more is published or saved under it, and what was in flight is forgotten.
   * `error` is `CDC_LEASE_EXPIRED` when it could not be renewed in time, `CDC_FENCED` when another instance has it.
   */
  leaseLost: (lost: { epoch: number; error: CheckpointError }) => void
  /** The pipeline ended; `error` is what it failed with, if it did. */
  stopped: (stopped: { drained: boolean; unconfirmed: number; reason: StopReason; error?: unknown }) => void
}

/** Events of a `ChangeStreamSource`. */
export type SourceEvents = {
  /** The stream stands. `kind` tells what it was opened with. */
  opened: (opened: { kind: Position['kind']; clusterTime: ClusterTime; reopened: boolean }) => void
  /** The stream broke and is opened again from the last position after a delay. */
  retry: (retry: { error: unknown; attempt: number; delayMs: number }) => void
  /** The server kept silent for `silentMs`; `answered` tells whether it answers on another connection (slow, not dead). */
  watchdog: (watchdog: { silentMs: number; answered: boolean }) => void
  /** The server did not find the position: everything of its cluster time is read again, duplicates follow. */
  positionFallback: (fallback: { clusterTime: ClusterTime; error: unknown }) => void
  /** The position was saved by another watch (scope, filter, pipeline): what was excluded then isn't fetched. */
  watchChanged: (changed: { was: string; is: string }) => void
  /**
   * The watched collection or database was dropped or renamed, whether or not the filter lets that through; reading
   * goes on with the same watch.
   */
  invalidated: (invalidated: { clusterTime: ClusterTime }) => void
  /** Something in the set-up costs safety or time, such as a client that needs 30 s to notice a dead server. */
  warning: (warning: { message: string }) => void
  /**
   * An event was larger than the 16 MiB that the server can send. `split`: it came in parts and is whole. `reread`: its
   * present document stands in for what was left out. `key-only`: operation, key and times are all there is.
   */
  oversized: (oversized: { clusterTime: ClusterTime; id: string; outcome: OversizedOutcome }) => void
  /**
   * The oplog no longer holds the changes from `from` on. `to` is the server's present time, missing only if it could not
   * be asked: with `onHistoryLost: 'now'` reading goes on there, with `'fail'` the pipeline ends.
   */
  historyLost: (lost: { from: ClusterTime; to?: ClusterTime; error: unknown }) => void
  /**
   * How many seconds of the oplog are left until the place where the source reads is lost, and how many it holds
   * altogether. A restart goes on at the saved position, which is older. Every 30 s while somebody listens; the user
   * needs `find` on `local.oplog.rs`, otherwise it is never told. Not behind mongos.
   */
  oplogWindow: (window: { secondsLeft: number; seconds: number }) => void
}

/** Events of a `RabbitPublisher`. */
export type PublisherEvents = {
  /** Connected, topology stands, unconfirmed messages were sent again. `host` is `host:port/vhost`. */
  connected: (connected: { host: string; resent: number }) => void
  /** The connection or the channel is gone; unconfirmed messages wait. */
  disconnected: (disconnected: { host: string; error: unknown; unconfirmed: number }) => void
  /** The connection was lost, or connecting failed; it is tried again after a delay. */
  retry: (retry: { host: string; error: unknown; attempt: number; delayMs: number }) => void
  /** The broker stopped reading from this connection, most often for lack of memory or disk. */
  blocked: (blocked: { reason: string }) => void
  /** The broker reads again. */
  unblocked: (unblocked: { blockedMs: number }) => void
  /** A message was returned: no queue is bound for its routing key. */
  returned: (returned: { messageId: string; exchange: string; routingKey: string; replyText: string }) => void
  /**
   * No confirm came for too long; the channel is replaced, one message is sent again, and the others when that is
   * confirmed.
   */
  confirmTimeout: (timeout: { unconfirmed: number; silentMs: number }) => void
}
