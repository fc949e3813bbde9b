import { EventEmitter } from 'node:events'
import type TypedEmitter from 'typed-emitter'
import { CdcError, isCdcError, OptionsError } from '../errors.js'
import { emitSafely, type PipelineEvents, type PipelineState } from '../events.js'
import type { PartHealth, Position } from '../types.js'
import { abortable, deferred, quietly } from '../waiting.js'
import type { CdcPipeline, StopOptions, StopResult } from './cdc-pipeline.js'
import { closeParts } from './closing.js'
import { healthOf, type Observed, type PipelineHealth, type PipelineStats, statsOf } from './health.js'
import { openParts, type StartStage, startTimedOut } from './opening.js'
import { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import { Report } from './report.js'
import { State } from './state.js'

const Emitter: new () => TypedEmitter<PipelineEvents> =
  EventEmitter as unknown as new () => TypedEmitter<PipelineEvents>

/**
 * Start, run, stop and failure, each once:
 *
 *   idle → starting → running ⇄ degraded → stopping → stopped | failed
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
  readonly #opening = new AbortController()
  readonly #intake = new AbortController()
  readonly #done = deferred<void>()
  readonly #unsubscribe: (() => void)[] = []
  #reading: Promise<void> = Promise.resolve()
  #starting: Promise<void> | undefined
  #started = false
  #ending: Promise<StopResult> | undefined
  #fatal: { readonly error: unknown } | undefined

  constructor(options: ResolvedOptions<E, M>) {
    super()
    const { source, sink } = options
    const state = new State(change => emitSafely(this.#tell, 'state', change))
    const emit = (name: string, payload: unknown): void => emitSafely(this.#tell, name, payload)
    const report = new Report({ emit, listens: name => this.listenerCount(name) > 0 }, state)
    this.#options = options
    this.#state = state
    this.#flow = new Flow(options, report, error => this.#fail(error))
    this.#observed = { state, flow: this.#flow, counters: report.counters, source, sink }
  }

  get state(): PipelineState {
    return this.#state.now
  }

  get done(): Promise<void> {
    return this.#done.promise
  }

  start(): Promise<void> {
    if (this.#ending) return Promise.reject(runsOnce(this.state))
    if (this.#starting) return this.#starting
    const starting = deferred<void>()
    this.#starting = starting.promise // before anything is told: a listener may call start() again
    this.#begin().then(starting.resolve, starting.reject)
    return starting.promise
  }

  stop({ drainTimeoutMs }: StopOptions = {}): Promise<StopResult> {
    const valid = typeof drainTimeoutMs === 'number' && drainTimeoutMs >= 0
    return this.#end(valid ? Math.min(drainTimeoutMs, 2 ** 31 - 1) : this.#options.drainTimeoutMs)
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
    let stage: StartStage = 'loading the checkpoint'
    const expire = (): void => {
      const { checkpointer } = this.#flow
      this.#opening.abort(startTimedOut(startTimeoutMs, stage, this.#options, checkpointer))
    }
    const timer = startTimeoutMs === undefined ? undefined : setTimeout(expire, startTimeoutMs)
    this.#state.enter('starting')
    try {
      this.#listen()
      const after = await openParts(this.#options, this.#flow, this.#opening.signal, name => {
        stage = name
      })
      stage = 'opening the source'
      await abortable(this.#opening.signal, () => this.#read(after))
      this.#opening.signal.throwIfAborted() // a stop, or a fatal first event, between the first batch and this line
      this.#state.set('checkpoint', undefined)
      this.#askHealth()
      this.#started = true
      this.#state.enter('running')
    } catch (error) {
      if (!this.#ending) this.#fail(error)
      await this.#ending
      throw this.#fatal ? this.#fatal.error : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Begins to read; resolves when the stream stands. */
  #read(after: Position | undefined): Promise<void> {
    const { source, checkpointStore } = this.#options
    const { signal } = this.#intake
    const exclude = checkpointStore.namespace ? [checkpointStore.namespace] : []
    const stands = deferred<void>()
    let stood = false
    const onBatch = (): void => {
      stood = true
      stands.resolve()
    }
    this.#reading = this.#flow.read(source.open({ signal, exclude, ...(after && { after }) }), signal, onBatch).then(
      () => {
        stands.resolve()
        // A source that ends by itself has nothing more to tell. Not before start() is through: it did not fail.
        if (!signal.aborted) void this.#starting?.then(() => this.stop()).catch(() => undefined)
      },
      error => {
        stands.reject(error)
        if (stood && !signal.aborted) this.#fail(error)
      },
    )
    return stands.promise
  }

  #listen(): void {
    const { source, sink } = this.#options
    const ends = [
      source.onHealth?.(health => this.#state.setHealth('source', health)),
      sink.onHealth?.(health => this.#takeSinkHealth(health)),
    ]
    for (const end of ends) if (end) this.#unsubscribe.push(end)
  }

  /** Once, for what was so before we listened. */
  #askHealth(): void {
    const { source, sink } = this.#options
    if (source.onHealth && source.health) this.#state.setHealth('source', source.health())
    if (sink.onHealth && sink.health) this.#takeSinkHealth(sink.health())
  }

  #takeSinkHealth(health: PartHealth): void {
    this.#state.setHealth('sink', health)
    this.#flow.setSinkOk(health.ok)
  }

  #fail(error: unknown): void {
    this.#fatal ??= { error }
    void this.#end(this.#options.drainTimeoutMs)
  }

  #end(drainTimeoutMs: number): Promise<StopResult> {
    if (this.#ending) return this.#ending
    const ending = deferred<StopResult>()
    this.#ending = ending.promise // before anything is told: a listener may call stop() again
    this.#finish(drainTimeoutMs).then(ending.resolve, ending.reject)
    return ending.promise
  }

  async #finish(drainTimeoutMs: number): Promise<StopResult> {
    const reason = new CdcError('CDC_START_ABORTED', 'The pipeline is stopping')
    this.#state.enter('stopping')
    this.#opening.abort(reason)
    this.#intake.abort(reason)
    await this.#flow.drain(drainTimeoutMs)
    this.#flow.close(reason)
    for (const unsubscribe of this.#unsubscribe) void quietly(unsubscribe)
    await closeParts(this.#options, this.#flow.checkpointer, this.#reading)
    const unconfirmed = this.#flow.span.unsettled
    const saved = this.#flow.checkpointer.unsavedEvents === 0
    const result = { drained: unconfirmed === 0 && saved, unconfirmed }
    this.#state.enter(this.#fatal ? 'failed' : 'stopped')
    emitSafely(this.#tell, 'stopped', { ...result, ...this.#fatal })
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

/** stop() before the stream stood is a clean end; `done` tells whether it became one. */
function unlessStopped(error: unknown): void {
  if (!isCdcError(error) || error.code !== 'CDC_START_ABORTED') throw error
}

function runsOnce(state: PipelineState): OptionsError {
  return new OptionsError('CDC_STATE_INVALID', `Expected \`start()\` on a new pipeline, got one that is ${state}`, {
    hint: 'One object, one run: create a new pipeline',
  })
}
