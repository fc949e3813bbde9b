import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { isAccessError } from '../access-errors.js'
import { type CheckpointError, isCdcError } from '../errors.js'
import type { StopReason } from '../events.js'
import { backOffMs } from '../retry.js'
import type { CheckpointStore } from '../types.js'
import { abortable, type Deferred, deferred, settledWithin, sleep } from '../waiting.js'
import type { StageListener } from './opening.js'
import type { ResolvedOptions } from './pipeline-options.js'
import { Stopwatch, systemClocks } from './stopwatch.js'
import { passing } from './store-errors.js'
import { type LeaseFailure, Tenure } from './tenure.js'
import type { Standing } from './terms.js'

/** How long the end waits for an attempt to get the lease, so that it isn't got for nobody, in milliseconds. */
const LATE_MS = 1000
/** Upper bound of the first delay behind an opening that was refused, in milliseconds: log-ins may be counted. */
const REFUSED_MIN_DELAY_MS = 5000

/** What the seeker needs of the terms, and tells them. */
export interface SeekerHooks {
  /** The lease is ours. A term begins before this returns: a stop right behind the answer finds something to end. */
  readonly acquired: (tenure: Tenure) => void
  /** Reads in the term that has begun; `standby`: the lease was lost meanwhile. */
  readonly read: (tenure: Tenure, stage: StageListener) => Promise<Standing>
  /** Ends the term and gives the lease up: the source could not be opened, and will be tried again. Never rejects. */
  readonly forgo: (tenure: Tenure, failure: LeaseFailure) => Promise<void>
  readonly lost: (tenure: Tenure, error: CheckpointError) => void
  /** The store is asked for the lease. */
  readonly asking: () => void
  /** Asking or renewing failed and is tried again; `undefined`: the store has answered. */
  readonly failing: (failure: LeaseFailure | undefined) => void
  readonly stands: (standing: Standing) => void
  readonly failed: (error: unknown, part: StopReason) => void
}

type Leasing = Required<Pick<CheckpointStore, 'acquire'>>

/** What came of asking, and the lease if there was one. */
interface Attempt {
  readonly standing: Standing
  readonly tenure?: Tenure
}

/** Whether a source that can't be opened may be later, without anybody touching this instance. */
export function mendsLater(error: unknown): boolean {
  return isAccessError(error) || (isCdcError(error) && error.retryable)
}

/** Asks for the lease again and again until it is ours and the stream stands, unless it is paused. */
export class LeaseSeeker<E, M> {
  readonly #options: ResolvedOptions<E, M>
  readonly #ttlMs: number
  readonly #hooks: SeekerHooks
  /** Readable in the store: for people who look for who has it. */
  readonly #holder = `${hostname()}:${process.pid}:${randomUUID()}`
  readonly #ending = new AbortController()
  #paused = false
  #asking: Promise<unknown> = Promise.resolve()
  #seeking: { readonly answer: Promise<void>; readonly through: Promise<void> } | undefined
  #answered = false
  /** Questions that failed, one after the other. */
  #unasked = 0
  /** Openings that were refused, one after the other. */
  #refused = 0
  /** Until the next question, as it was told. */
  #delayMs: number | undefined
  #wake = new AbortController()

  constructor(options: ResolvedOptions<E, M>, ttlMs: number, hooks: SeekerHooks) {
    this.#options = options
    this.#ttlMs = ttlMs
    this.#hooks = hooks
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Aborted by `end`. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** Resolves with the first answer, whatever that is. */
  seek(stage: StageListener = () => {}): Promise<void> {
    if (!this.#seeking) {
      this.#wake = new AbortController()
      const answer = deferred<void>()
      answer.promise.catch(() => undefined) // it is told by `failed`, too
      this.#seeking = { answer: answer.promise, through: this.#seek(stage, answer) }
    }
    return this.#seeking.answer
  }

  /** Resolves when it doesn't ask any more; what is being opened is opened before. */
  async pause(reason: unknown): Promise<void> {
    this.#paused = true
    this.#wake.abort(reason)
    await this.#seeking?.through
  }

  /** May be asked to seek again. */
  resume(): void {
    this.#paused = false
  }

  end(reason: unknown): void {
    this.#ending.abort(reason)
    this.#wake.abort(reason)
  }

  /** Behind `end`: resolves when a lease that comes too late is given back, within a second. */
  async whenQuiet(): Promise<void> {
    await settledWithin(this.#asking, LATE_MS)
  }

  async #seek(stage: StageListener, answer: Deferred<void>): Promise<void> {
    let part: StopReason = 'checkpoint'
    const onStage: StageListener = now => {
      part = now.part
      stage(now)
    }
    try {
      for (let standing: Standing | undefined; standing !== 'running' && !this.#paused; ) {
        const attempt = await this.#attempt(onStage)
        // It may have been lost since the last look, and whoever lost it has left the seeking to us.
        standing = attempt?.tenure?.over ? 'standby' : attempt?.standing
        if (standing) {
          this.#answered = true
          this.#refused = 0
          this.#hooks.stands(standing)
          answer.resolve()
        }
        if (standing !== 'running') await this.#wait()
      }
    } catch (error) {
      if (!this.signal.aborted) this.#hooks.failed(error, part)
      answer.reject(error)
    } finally {
      this.#seeking = undefined
      answer.resolve() // nobody waits for more than an answer; paused, there is none
    }
  }

  /** What came of asking once; `undefined`: the store is away, or the source can't be opened now. */
  async #attempt(stage: StageListener): Promise<Attempt | undefined> {
    stage({ name: 'acquiring the lease', part: 'checkpoint' })
    let tenure: Tenure | undefined
    try {
      tenure = await abortable(this.signal, () => this.#ask())
    } catch (error) {
      this.signal.throwIfAborted()
      // Like any other load: at the start, what waiting doesn't mend is told at once.
      if (!this.#answered && !passing(error)) throw error
      this.#unasked += 1
      this.#hooks.failing(this.#failure(error, this.#unasked))
      return undefined
    }
    if (!tenure || tenure.over) return { standing: 'standby' }
    try {
      return { standing: await this.#hooks.read(tenure, stage), tenure }
    } catch (error) {
      this.signal.throwIfAborted()
      // At the start it is told at once, too. Later another instance may fare better.
      if (!this.#answered || !mendsLater(error)) throw error
      this.#refused += 1
      await this.#hooks.forgo(tenure, this.#failure(error, this.#refused))
      return undefined
    }
  }

  #ask(): Promise<Tenure | undefined> {
    const asking = this.#acquire()
    this.#asking = asking
    return asking
  }

  /** Through only when a lease that comes too late is given back. */
  async #acquire(): Promise<Tenure | undefined> {
    const { name, random, checkpointStore } = this.#options
    const ttlMs = this.#ttlMs
    const stopwatch = (): Stopwatch => new Stopwatch(systemClocks)
    this.#hooks.asking()
    const since = stopwatch() // before it is asked: the server can't count from earlier
    const lease = await (checkpointStore as Leasing).acquire({ name, holder: this.#holder, ttlMs })
    this.#unasked = 0
    this.#hooks.failing(undefined)
    if (!lease) return undefined
    const tenure: Tenure = new Tenure(
      lease,
      since,
      { ttlMs, random, stopwatch },
      {
        lost: error => this.#hooks.lost(tenure, error),
        failing: failure => this.#hooks.failing(failure),
      },
    )
    if (this.signal.aborted || tenure.over) {
      await tenure.release()
      return undefined
    }
    this.#hooks.acquired(tenure)
    return tenure
  }

  #failure(error: unknown, attempt: number): LeaseFailure {
    const delayMs = this.#nextDelayMs()
    this.#delayMs = delayMs
    return { error, attempt, delayMs }
  }

  /** A tenth of the lease's time, which is what a take-over costs beside it; longer behind an opening that was refused. */
  #nextDelayMs(): number {
    const { random } = this.#options
    if (this.#refused > 0) return backOffMs(this.#refused, random, { minDelayMs: REFUSED_MIN_DELAY_MS })
    return Math.round(Math.max(100, this.#ttlMs / 10) * (0.5 + random() / 2))
  }

  async #wait(): Promise<void> {
    const ms = this.#delayMs ?? this.#nextDelayMs()
    this.#delayMs = undefined
    await sleep(ms, this.#wake.signal).catch(() => undefined)
    this.signal.throwIfAborted()
  }
}
