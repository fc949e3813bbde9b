import type { FailedEventAction, PipelineEvents, RetryStage } from '../events.js'
import type { Checkpoint, PartHealth } from '../types.js'
import type { Settlement } from './deliver.js'
import type { EventFailure } from './failure-policy.js'
import type { PipelineCounters } from './health.js'
import type { Job } from './job.js'
import type { State } from './state.js'
import type { LeaseFailure } from './tenure.js'

/** What the report needs of an emitter; `emit` must not throw. */
export interface Telling {
  emit<Name extends keyof PipelineEvents>(name: Name, payload: Parameters<PipelineEvents[Name]>[0]): void
  listens(name: keyof PipelineEvents): boolean
}

/** Turns what happens into counters, events and reasons of degraded. */
export class Report {
  readonly counters: PipelineCounters = {
    read: 0,
    filtered: 0,
    published: 0,
    messages: 0,
    failed: 0,
    skipped: 0,
    deadLettered: 0,
    retries: 0,
  }
  readonly #telling: Telling
  readonly #state: State

  constructor(telling: Telling, state: State) {
    this.#telling = telling
    this.#state = state
  }

  settled<E, M>(job: Job<E, M>, outcome: Settlement): void {
    const { id, event } = job.record
    this.counters[outcome] += 1
    if (outcome === 'published') {
      const { messages, attempts } = job
      this.counters.messages += messages
      if (this.#telling.listens('published')) this.#telling.emit('published', { id, event, messages, attempts })
    } else if (outcome === 'deadLettered') {
      this.#telling.emit('deadLettered', { id, event })
    } else if (outcome === 'filtered' && this.#telling.listens('filtered')) {
      this.#telling.emit('filtered', { id, event })
    }
  }

  retrying<E, M>(job: Job<E, M>, stage: RetryStage, error: unknown, delayMs: number): void {
    this.counters.retries += 1
    if (!this.#telling.listens('retry')) return
    this.#telling.emit('retry', { id: job.record.id, stage, error, attempt: job.attempts, delayMs })
  }

  failed(failure: EventFailure, action: FailedEventAction): void {
    this.counters.failed += 1
    this.#telling.emit('failedEvent', { ...failure, action })
  }

  nacked(count: number): void {
    this.#state.set('nack', count > 0 ? 'nack' : undefined)
  }

  /** What a sink says that has to be asked. */
  sinkHealth(health: PartHealth): void {
    this.#state.setHealth('sink', health)
  }

  saved({ position, savedAt }: Checkpoint): void {
    this.#state.set('checkpoint', undefined)
    if (this.#telling.listens('checkpoint')) this.#telling.emit('checkpoint', { position, savedAt })
  }

  saveFailed(failure: { error: unknown; attempt: number; delayMs: number }): void {
    this.unsaved()
    this.#telling.emit('checkpointFailed', failure)
  }

  /** Saving fails, or so much is unsaved that intake waits. */
  unsaved(): void {
    this.#state.set('checkpoint', 'checkpoint')
  }

  /** Asking for the lease fails, or renewing it; `undefined`: the store has answered. */
  leaseFailing(failure: LeaseFailure | undefined): void {
    this.#state.set('lease', failure && 'lease')
    if (failure) this.#telling.emit('leaseFailed', failure)
  }

  /**
   * The term is over, and the pipeline goes to another state: what was in the way of this term is in nobody's way any more.
   * Not told, as it would look well for a moment.
   */
  lost(): void {
    this.#state.forget('nack', 'checkpoint', 'lease')
  }
}
