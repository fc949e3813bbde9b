import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { SourceError } from '../errors.js'
import type { SourceRecord } from '../types.js'
import { Checkpointer } from './checkpointer.js'
import { Deliver, type Settlement } from './deliver.js'
import { Fifo } from './fifo.js'
import { InFlight, type Peaks } from './in-flight.js'
import { createJob, type EventRecord, type Job } from './job.js'
import { Lanes } from './lanes.js'
import { laneOf } from './ordering-key.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Report } from './report.js'
import type { Tenure } from './tenure.js'

/** How a flow can come to an end without being asked to. */
export interface FlowHooks {
  readonly fatal: (error: unknown) => void
  /** Without a lease of its own: another instance has it, so that nothing can be saved. */
  readonly fenced: (error: unknown) => void
}

/** How often a sink is asked that can't tell by itself when it is well again, in milliseconds. */
const ASK_SINK_MS = 250
/** After so many records the event loop turns, so that sockets are written and confirms are read meanwhile. */
const RECORDS_PER_TURN = 64

/**
 * The flow of a pipeline. A record is read, admitted to the span, let go by its lane, delivered and settled; then the
 * position moves, and is saved. Starting and ending is the matter of `lifecycle.ts`.
 */
export class Flow<E, M> {
  readonly span: InFlight
  readonly checkpointer: Checkpointer
  readonly #options: ResolvedOptions<E, M>
  readonly #report: Report
  readonly #lanes: Lanes<Job<E, M>>
  readonly #deliver: Deliver<E, M>
  readonly #startable = new Fifo<Job<E, M>>()
  #starting = false
  #closed = false
  #dropped = false
  #sinkOk = true
  #wake: (() => void) | undefined
  #onQuiet: (() => void)[] = []

  constructor(
    options: ResolvedOptions<E, M>,
    report: Report,
    hooks: FlowHooks,
    { tenure, before }: { readonly tenure?: Tenure | undefined; readonly before?: Peaks | undefined } = {},
  ) {
    this.#options = options
    this.#report = report
    this.span = new InFlight({ maxEvents: options.maxInFlight, maxBytes: options.maxInFlightBytes }, before)
    this.#lanes = new Lanes({ exclusive: options.ordering !== 'pipelined' })
    this.checkpointer = new Checkpointer({ ...options, epoch: tenure?.epoch }, this.span, {
      failed: failure => report.saveFailed(failure),
      saved: checkpoint => {
        report.saved(checkpoint)
        this.wake()
      },
      fenced: error => (tenure ? tenure.lose(error) : hooks.fenced(error)),
    })
    this.#deliver = new Deliver(
      { ...options, mayPublish: tenure?.mayPublish },
      {
        resized: (job, bytes) => this.span.resize(job.entry, bytes),
        settled: (job, outcome) => this.#settled(job, outcome),
        retrying: (job, stage, error, delayMs) => report.retrying(job, stage, error, delayMs),
        failed: (failure, action) => report.failed(failure, action),
        nacked: count => {
          if (!this.#dropped) report.nacked(count)
        },
        quiet: () => this.#quiet(),
        fatal: hooks.fatal,
      },
    )
  }

  /** The loop: ends with the source, or, admitting nothing more, when the signal is aborted. */
  async read(
    batches: AsyncIterable<readonly SourceRecord<E>[]>,
    signal: AbortSignal,
    onBatch: () => void,
  ): Promise<void> {
    let sinceTurn = 0
    for await (const batch of batches) {
      onBatch()
      for (const record of batch) {
        if (++sinceTurn % RECORDS_PER_TURN === 0) await turnOfTheLoop()
        if (this.#mustWait(record)) await this.#room(record, signal)
        if (signal.aborted) return
        if (isEvent(record)) this.#admit(record)
        else this.#heartbeat(record)
      }
    }
  }

  /** Something that intake may be waiting for has changed. */
  wake(): void {
    if (this.#wake && this.span.hasSlack()) this.#wake()
  }

  /** The sink told how it is doing: while it isn't well nothing more is read. */
  setSinkOk(ok: boolean): void {
    this.#sinkOk = ok
    this.wake()
  }

  /** Resolves when nothing is going on any more. */
  whenQuiet(): Promise<void> {
    return new Promise<void>(resolve => {
      this.#onQuiet.push(resolve)
      this.#quiet()
    })
  }

  /** Ends retries and transforms; only confirms that are under way still settle. */
  close(reason: unknown): void {
    this.#closed = true
    this.#deliver.close(reason)
  }

  /** As `close`; and what still settles counts for nothing, and nothing is saved: all of it is another instance's now. */
  drop(reason: unknown): void {
    this.#dropped = true
    this.close(reason)
    this.checkpointer.drop()
    this.#quiet()
  }

  #heartbeat({ position }: SourceRecord<E>): void {
    this.span.heartbeat(position)
    this.checkpointer.moved(false)
  }

  #admit(record: EventRecord<E>): void {
    const { position, size = 0, time = Date.now() } = record
    const { key, keyError } = laneOf(this.#options.ordering, record)
    const entry = this.span.admit(position, size, time)
    this.#report.counters.read += 1
    this.#start(this.#lanes.add(createJob(record, key, keyError, entry)))
  }

  /** A loop, not a recursion: a started event may settle at once and let the next one start. */
  #start(jobs: readonly Job<E, M>[]): void {
    for (const job of jobs) this.#startable.push(job)
    if (this.#starting) return
    this.#starting = true
    while (this.#startable.size > 0 && !this.#closed) this.#deliver.start(this.#startable.shift() as Job<E, M>)
    this.#starting = false
    this.#quiet()
  }

  #settled(job: Job<E, M>, outcome: Settlement): void {
    if (this.#dropped) return
    if (outcome === 'filtered') this.span.filter(job.entry)
    else this.span.settle(job.entry)
    this.#report.settled(job, outcome)
    this.checkpointer.moved(true)
    this.wake()
    this.#start(this.#lanes.finish(job))
  }

  #quiet(): void {
    if (this.#onQuiet.length === 0 || (!this.#dropped && (this.#deliver.busy > 0 || this.#starting))) return
    for (const resolve of this.#onQuiet.splice(0)) resolve()
  }

  #mustWait(record: SourceRecord<E>): boolean {
    if (record.event === undefined) return false
    return !this.span.hasRoom(record.size ?? 0) || !this.#sinkIsOk() || this.checkpointer.mustPause()
  }

  #sinkIsOk(): boolean {
    const { sink } = this.#options
    if (sink.onHealth || !sink.health) return this.#sinkOk
    const health = sink.health()
    this.#report.sinkHealth(health)
    return health.ok
  }

  async #room(record: SourceRecord<E>, signal: AbortSignal): Promise<void> {
    const abort = (): void => this.#wake?.()
    signal.addEventListener('abort', abort)
    while (this.#mustWait(record) && !signal.aborted) {
      if (this.checkpointer.mustPause()) this.#report.unsaved()
      const ask = this.#sinkIsOk() ? undefined : setTimeout(abort, ASK_SINK_MS)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
      clearTimeout(ask)
    }
    signal.removeEventListener('abort', abort)
  }
}

function isEvent<E>(record: SourceRecord<E>): record is EventRecord<E> {
  if (record.event === undefined) return false
  if (record.id !== undefined) return true
  throw new SourceError('CDC_EVENT_ID_LOST', 'Expected each event of the source to have an `id`, got none', {
    hint: 'The id of an event is the seed of its message ids and must be the same each time it is read',
  })
}
