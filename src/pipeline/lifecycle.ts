import { EventEmitter } from 'node:events'
import type TypedEmitter from 'typed-emitter'
import { emitSafely, type PipelineEvents, type PipelineState, type StopReason } from '../events.js'
import { abortable, deferred, settledWithin } from '../waiting.js'
import type { CdcPipeline, StopOptions, StopResult } from './cdc-pipeline.js'
import { closeParts } from './closing.js'
import { healthOf, type Observed, type PipelineHealth, type PipelineStats, statsOf } from './health.js'
import { LeasedTerms } from './leased-terms.js'
import { notNow, stopping, unlessStopped } from './lifecycle-errors.js'
import { Listening } from './listening.js'
import { type OpeningStage, startTimedOut } from './opening.js'
import { Pausing } from './pausing.js'
import type { ResolvedOptions } from './pipeline-options.js'
import { Report } from './report.js'
import { State } from './state.js'
import { stopReason } from './stop-reason.js'
import { type Standing, singleTerm, type Terms } from './terms.js'

const Emitter: new () => TypedEmitter<PipelineEvents> =
  EventEmitter as unknown as new () => TypedEmitter<PipelineEvents>

/**
 * Start, run, stop and failure, each once:
 *
 *   idle → starting → running ⇄ degraded → stopping → stopped | failed
 *                          ⇅
 *                        paused
 *
 * With a lease there is `standby` besides: behind `starting`, and behind `running` when the lease is lost.
 * There is one way out, `#end`, taken by `stop()`, a failed start, a fatal error, or a source that comes to its end.
 * Whoever comes first takes it; a fatal error that comes on the way still makes it end as `failed`.
 */
export class Pipeline<E, M> extends Emitter implements CdcPipeline {
  readonly #options: ResolvedOptions<E, M>
  readonly #observed: Observed<E, M>
  readonly #state: State
  readonly #tell: EventEmitter['emit'] = this.emit.bind(this) as EventEmitter['emit']
  readonly #terms: Terms<E, M>
  readonly #listening: Listening<E, M>
  /** Ends whatever a stop should not wait for: a start, a pause, a resume. */
  readonly #opening = new AbortController()
  readonly #done = deferred<void>()
  /** The time of those that are in flight is over. */
  readonly #expired = deferred<void>()
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
    const hooks = {
      ended: () => this.#sourceEnded(),
      failed: (error: unknown, part: StopReason) => this.#fail(error, part),
      stands: (standing: Standing) => this.#stand(standing),
      acquired: (epoch: number) => this.#acquired(epoch),
      lost: (epoch: number, error: unknown) => this.#lost(epoch, error),
    }
    const { lease } = options
    this.#terms = lease ? new LeasedTerms(options, lease, report, hooks) : singleTerm(options, report, hooks)
    this.#listening = new Listening(options, state, () => this.#terms.flow)
    this.#observed = { state, terms: this.#terms, counters: report.counters, source, sink }
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
      this.#opening.abort(startTimedOut(startTimeoutMs, stage, this.#options, this.#terms))
    }
    const timer = startTimeoutMs === undefined ? undefined : setTimeout(expire, startTimeoutMs)
    this.#state.enter('starting')
    try {
      this.#listening.begin()
      const onStage = (now: OpeningStage): void => {
        stage = now
      }
      await abortable(this.#opening.signal, () => this.#terms.open(onStage))
    } catch (error) {
      if (this.#started) return // it stood: what came right behind that is told by `done`
      if (!this.#ending) this.#fail(error, stage.part)
      await this.#ending
      throw this.#fatal ? this.#fatal.error : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** What this instance does from now on. */
  #stand(standing: Standing): void {
    if (this.#ending) return // a stop, or a fatal first event, came first
    this.#state.set('checkpoint', undefined)
    this.#listening.ask()
    this.#started = true
    this.#state.enter(standing)
  }

  #acquired(epoch: number): void {
    if (!this.#ending) this.#state.enter('starting')
    emitSafely(this.#tell, 'leaseAcquired', { epoch })
  }

  #lost(epoch: number, error: unknown): void {
    if (this.#ending) this.#expired.resolve() // nothing can be settled any more
    emitSafely(this.#tell, 'leaseLost', { epoch, error })
  }

  async #pause(): Promise<void> {
    await this.#terms.pause(stopping())
    if (!this.#ending) this.#state.enter('paused')
  }

  async #resume(): Promise<void> {
    try {
      await this.#terms.resume()
    } catch (error) {
      this.#fail(error, 'source')
    }
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
    this.#terms.end(reason)
    const { flow } = this.#terms
    await Promise.race([flow.whenQuiet(), this.#expired.promise])
    flow.close(reason)
    this.#listening.end()
    await closeParts(this.#options, this.#terms)
    const unconfirmed = flow.span.unsettled
    const saved = flow.checkpointer.unsavedEvents === 0
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
