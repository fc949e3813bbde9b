import { EventEmitter } from 'node:events'
import type TypedEmitter from 'typed-emitter'
import { emitSafely, type PipelineEvents, type PipelineState, type StopReason } from '../events.js'
import type { Position } from '../types.js'
import { abortable, deferred, settledWithin } from '../waiting.js'
import type { CdcPipeline, StopOptions, StopResult } from './cdc-pipeline.js'
import { closeParts } from './closing.js'
import { healthOf, type Observed, type PipelineHealth, type PipelineStats, statsOf } from './health.js'
import { Intake } from './intake.js'
import { notNow, stopping, unlessStopped } from './lifecycle-errors.js'
import { Listening } from './listening.js'
import { type OpeningStage, openParts, startTimedOut } from './opening.js'
import { Pausing } from './pausing.js'
import { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import { Report } from './report.js'
import { State } from './state.js'
import { stopReason } from './stop-reason.js'

const Emitter: new () => TypedEmitter<PipelineEvents> =
  EventEmitter as unknown as new () => TypedEmitter<PipelineEvents>

/**
 * Start, run, stop and failure, each once:
 *
 *   idle → starting → running ⇄ degraded → stopping → stopped | failed
 *                          ⇅
 *                        paused
 *
 * There is one way out, `#end`, taken by `stop()`, a failed start, a fatal error, or a source that comes to its end.
 * Whoever comes first takes it; a fatal error that comes on the way still makes it end as `failed`.
 */
export class Pipeline<E, M> extends Emitter implements CdcPipeline {
  readonly #options: ResolvedOptions<E, M>
  readonly #observed: Observed<E, M>
  readonly #state: State
  readonly #flow: Flow<E, M>
  readonly #tell: EventEmitter['emit'] = this.emit.bind(this) as EventEmitter['emit']
  readonly #intake: Intake<E, M>
  readonly #listening: Listening<E, M>
  /** Ends whatever a stop should not wait for: a start, a pause, a resume. */
  readonly #opening = new AbortController()
  readonly #done = deferred<void>()
  /** The time of those that are in flight is over. */
  readonly #expired = deferred<void>()
  #after: Position | undefined
  #starting: Promise<void> | undefined
  #pausing: Pausing | undefined
  #started = false
  #ending: Promise<StopResult> | undefined
  #reason: StopReason = 'stop'
  #fatal: { readonly error: unknown } | undefined

  constructor(options: ResolvedOptions<E, M>) {
    super()
    const { source, sink } = options
    const state = new State(change => emitSafely(this.#tell, 'state', change))
    const emit = (name: string, payload: unknown): void => emitSafely(this.#tell, name, payload)
    const report = new Report({ emit, listens: name => this.listenerCount(name) > 0 }, state)
    this.#options = options
    this.#state = state
    this.#flow = new Flow(options, report, error => this.#fail(error, 'event-failed'))
    this.#intake = new Intake(options, this.#flow, {
      ended: () => this.#sourceEnded(),
      failed: error => this.#fail(error, 'source'),
    })
    this.#listening = new Listening(options, state, this.#flow)
    this.#observed = { state, flow: this.#flow, counters: report.counters, source, sink }
  }

  get state(): PipelineState {
    return this.#state.now
  }

  get done(): Promise<void> {
    return this.#done.promise
  }

  start(): Promise<void> {
    if (this.#ending) return Promise.reject(notNow('start', this.state))
    if (this.#starting) return this.#starting
    const starting = deferred<void>()
    this.#starting = starting.promise // before anything is told: a listener may call start() again
    this.#pausing = new Pausing(starting.promise)
    this.#begin().then(starting.resolve, starting.reject)
    return starting.promise
  }

  pause(): Promise<void> {
    if (this.#ending || !this.#pausing) return Promise.reject(notNow('pause', this.state))
    return this.#pausing.to('paused', () => this.#unlessEnding(() => this.#pause()))
  }

  resume(): Promise<void> {
    if (this.#ending || !this.#pausing) return Promise.reject(notNow('resume', this.state))
    return this.#pausing.to('running', () => this.#unlessEnding(() => this.#resume()))
  }

  stop({ drainTimeoutMs }: StopOptions = {}): Promise<StopResult> {
    if (!(typeof drainTimeoutMs === 'number' && drainTimeoutMs >= 0)) return this.#end(this.#options.drainTimeoutMs)
    const ms = Math.min(drainTimeoutMs, 2 ** 31 - 1)
    if (this.#ending) this.#expireIn(ms, this.#ending)
    return this.#end(ms)
  }

  async run({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const abort = (): void => void this.stop()
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    try {
      if (!signal?.aborted) await this.start().catch(unlessStopped)
      await this.done
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  health(): PipelineHealth {
    return healthOf(this.#observed)
  }

  stats(): PipelineStats {
    return statsOf(this.#observed)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #begin(): Promise<void> {
    const { startTimeoutMs } = this.#options
    let stage: OpeningStage = { name: 'beginning', part: 'stop' }
    const expire = (): void => {
      const { checkpointer } = this.#flow
      this.#opening.abort(startTimedOut(startTimeoutMs, stage, this.#options, checkpointer))
    }
    const timer = startTimeoutMs === undefined ? undefined : setTimeout(expire, startTimeoutMs)
    this.#state.enter('starting')
    try {
      this.#listening.begin()
      this.#after = await openParts(this.#options, this.#flow, this.#opening.signal, now => {
        stage = now
      })
      await abortable(this.#opening.signal, () => this.#intake.open(this.#after))
      this.#opening.signal.throwIfAborted() // a stop, or a fatal first event, between the first batch and this line
      this.#state.set('checkpoint', undefined)
      this.#listening.ask()
      this.#started = true
      this.#state.enter('running')
    } catch (error) {
      if (!this.#ending) this.#fail(error, stage.part)
      await this.#ending
      throw this.#fatal ? this.#fatal.error : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Everything that was admitted is settled and saved before it is told: a resume reads nothing twice. */
  async #pause(): Promise<void> {
    this.#intake.end(stopping())
    await this.#intake.reading
    await this.#flow.whenQuiet()
    await this.#flow.checkpointer.flush()
    if (!this.#ending) this.#state.enter('paused')
  }

  async #resume(): Promise<void> {
    try {
      await this.#intake.open(this.#flow.span.settledPosition ?? this.#after)
    } catch (error) {
      this.#fail(error, 'source')
    }
    if (!this.#ending) this.#state.enter('running')
  }

  /** A stop or a failure ends the waiting; what is done afterwards finds the pipeline ending. */
  async #unlessEnding(move: () => Promise<void>): Promise<void> {
    const { signal } = this.#opening
    await abortable(signal, move).catch(() => undefined)
    if (this.#fatal) throw this.#fatal.error
    signal.throwIfAborted()
  }

  /** Not before a start or a resume is through: it did not fail. */
  #sourceEnded(): void {
    const end = (): void => {
      if (!this.#ending) this.#reason = 'source-ended'
      void this.#end(this.#options.drainTimeoutMs)
    }
    this.#pausing?.moving.then(end, () => undefined)
  }

  #fail(error: unknown, part: StopReason): void {
    if (!this.#fatal) this.#reason = stopReason(error, part)
    this.#fatal ??= { error }
    void this.#end(this.#options.drainTimeoutMs)
  }

  #end(drainTimeoutMs: number): Promise<StopResult> {
    if (this.#ending) return this.#ending
    const ending = deferred<StopResult>()
    this.#ending = ending.promise // before anything is told: a listener may call stop() again
    this.#expireIn(drainTimeoutMs, ending.promise)
    this.#finish().then(ending.resolve, ending.reject)
    return ending.promise
  }

  #expireIn(ms: number, ending: Promise<StopResult>): void {
    void settledWithin(ending, ms).then(this.#expired.resolve)
  }

  async #finish(): Promise<StopResult> {
    const reason = stopping()
    this.#state.enter('stopping')
    this.#opening.abort(reason)
    this.#intake.end(reason)
    await Promise.race([this.#flow.whenQuiet(), this.#expired.promise])
    this.#flow.close(reason)
    this.#listening.end()
    await closeParts(this.#options, this.#flow.checkpointer, this.#intake.reading)
    const unconfirmed = this.#flow.span.unsettled
    const saved = this.#flow.checkpointer.unsavedEvents === 0
    const result = { drained: unconfirmed === 0 && saved, unconfirmed }
    this.#state.enter(this.#fatal ? 'failed' : 'stopped')
    emitSafely(this.#tell, 'stopped', { ...result, reason: this.#reason, ...this.#fatal })
    this.#settleDone()
    return result
  }

  #settleDone(): void {
    // A failed start is told by start(): `done` must not bring the process down once more.
    if (!this.#started) this.#done.promise.catch(() => undefined)
    if (this.#fatal) this.#done.reject(this.#fatal.error)
    else this.#done.resolve()
  }
}
