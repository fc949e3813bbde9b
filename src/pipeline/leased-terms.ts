import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { type CheckpointError, messageOf } from '../errors.js'
import type { StopReason } from '../events.js'
import type { CheckpointStore } from '../types.js'
import { abortable, type Deferred, deferred, quietly, settledWithin, sleep } from '../waiting.js'
import { passing } from './checkpoint-errors.js'
import type { LeaseOptions } from './lease-options.js'
import { openSinks, type StageListener } from './opening.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Report } from './report.js'
import { Stopwatch, systemClocks } from './stopwatch.js'
import { Tenure } from './tenure.js'
import { Term } from './term.js'
import type { LeaseSummary, Standing, Terms, TermsHooks } from './terms.js'

/** How long the end waits for an attempt to get the lease, so that it isn't got for nobody, in milliseconds. */
const LATE_MS = 1000

/** What leased terms tell beside what a single one does. */
export interface LeasedHooks extends TermsHooks {
  /** The lease is ours: the position is read afresh, and the source opened. */
  readonly acquired: (epoch: number) => void
  /** The lease is not ours any more, and everything of this term is forgotten. Not told when it is given up. */
  readonly lost: (epoch: number, error: CheckpointError) => void
}

type Leasing = Required<Pick<CheckpointStore, 'acquire'>>

/**
 * One term after the other: each begins when the lease is acquired and ends when it is lost. In between this instance
 * stands by and asks for the lease again and again, unless it is paused.
 */
export class LeasedTerms<E, M> implements Terms<E, M> {
  readonly #options: ResolvedOptions<E, M>
  readonly #ttlMs: number
  readonly #report: Report
  readonly #hooks: LeasedHooks
  /** Readable in the store: for people who look for who has it. */
  readonly #holder = `${hostname()}:${process.pid}:${randomUUID()}`
  readonly #ending = new AbortController()
  #term: Term<E, M>
  #tenure: Tenure | undefined
  #error: unknown
  #paused = false
  #asking: Promise<Tenure | undefined> = Promise.resolve(undefined)
  /** Of the terms before: the source is opened again when that has ended. */
  #reading: Promise<void> = Promise.resolve()
  #seeking: { readonly answer: Promise<void>; readonly through: Promise<void> } | undefined
  #answered = false
  #wake = new AbortController()

  constructor(options: ResolvedOptions<E, M>, { ttlMs }: LeaseOptions, report: Report, hooks: LeasedHooks) {
    this.#options = options
    this.#ttlMs = ttlMs
    this.#report = report
    this.#hooks = hooks
    this.#term = new Term(options, report, hooks)
  }

  get flow(): Flow<E, M> {
    return this.#term.flow
  }

  get reading(): Promise<void> {
    return Promise.all([this.#reading, this.#term.reading]).then(() => undefined)
  }

  get lease(): LeaseSummary {
    const tenure = this.#tenure
    const error = this.#error === undefined ? {} : { error: messageOf(this.#error) }
    if (!tenure || tenure.over) return { held: false, ...error }
    return { held: true, epoch: tenure.epoch, validForMs: Math.round(tenure.validForMs), ...error }
  }

  /** Resolves when the stream stands, or when another instance has the lease. */
  async open(stage: StageListener): Promise<void> {
    await openSinks(this.#options, this.#ending.signal, stage, () => this.#tenure?.mayPublish() ?? false)
    await this.#seek(stage)
  }

  /** Keeps the lease; without it, doesn't ask for it any more. */
  async pause(reason: unknown): Promise<void> {
    this.#paused = true
    this.#wake.abort(reason)
    await this.#seeking?.through
    await this.#term.pause(reason)
  }

  async resume(): Promise<void> {
    this.#paused = false
    const tenure = this.#tenure
    if (!tenure) return await this.#seek()
    try {
      await this.#term.resume()
    } catch (error) {
      if (!tenure.over) throw error
    }
    if (tenure.over) await this.#seek()
    else this.#hooks.stands('running')
  }

  end(reason: unknown): void {
    this.#ending.abort(reason)
    this.#wake.abort(reason)
    this.#term.end(reason)
  }

  async leave(closed: boolean): Promise<void> {
    await settledWithin(this.#asking, LATE_MS)
    if (closed) await this.#tenure?.release()
    else this.#tenure?.end() // it runs out by itself, some time after the last byte of ours
  }

  /** Asks for the lease until it is ours; resolves with the first answer, whatever that is. */
  #seek(stage: StageListener = () => {}): Promise<void> {
    if (!this.#seeking) {
      this.#wake = new AbortController()
      const answer = deferred<void>()
      answer.promise.catch(() => undefined) // it is told by `failed`, too
      this.#seeking = { answer: answer.promise, through: this.#ask(stage, answer) }
    }
    return this.#seeking.answer
  }

  async #ask(stage: StageListener, answer: Deferred<void>): Promise<void> {
    let part: StopReason = 'checkpoint'
    const onStage: StageListener = now => {
      part = now.part
      stage(now)
    }
    try {
      for (let standing: Standing | undefined; standing !== 'running' && !this.#paused; ) {
        standing = await this.#attempt(onStage)
        if (standing) {
          this.#answered = true
          this.#hooks.stands(standing)
          answer.resolve()
        }
        if (standing !== 'running') await this.#wait()
      }
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#hooks.failed(error, part)
      answer.reject(error)
    } finally {
      this.#seeking = undefined
      answer.resolve() // nobody waits for more than an answer; paused, there is none
    }
  }

  /** What came of asking once; `undefined`: the store is away. */
  async #attempt(stage: StageListener): Promise<Standing | undefined> {
    stage({ name: 'acquiring the lease', part: 'checkpoint' })
    let tenure: Tenure | undefined
    try {
      tenure = await abortable(this.#ending.signal, () => {
        this.#asking = this.#acquire()
        return this.#asking
      })
    } catch (error) {
      this.#ending.signal.throwIfAborted()
      // Like any other load: at the start, what waiting doesn't mend is told at once.
      if (!this.#answered && !passing(error)) throw error
      this.#failing(error)
      return undefined
    }
    if (!tenure || tenure.over) return 'standby'
    const term = this.#term
    try {
      await this.#reading
      await term.find(stage)
      await term.read(stage)
    } catch (error) {
      if (!tenure.over) throw error
    }
    return tenure.over ? 'standby' : 'running'
  }

  /**
   * Asks once. A term that is ours begins in the same moment as the answer is looked at, since a stop or the end of the
   * lease in between would find nothing to end. Through only when a lease that comes too late is given back.
   */
  async #acquire(): Promise<Tenure | undefined> {
    const { name, random, checkpointStore } = this.#options
    const ttlMs = this.#ttlMs
    const stopwatch = (): Stopwatch => new Stopwatch(systemClocks)
    const since = stopwatch() // before it is asked: the server can't count from earlier
    const lease = await (checkpointStore as Leasing).acquire({ name, holder: this.#holder, ttlMs })
    this.#failing(undefined)
    if (!lease) return undefined
    const tenure: Tenure = new Tenure(
      lease,
      since,
      { ttlMs, random, stopwatch },
      {
        lost: error => this.#lost(tenure, error),
        failing: error => this.#failing(error),
      },
    )
    if (this.#ending.signal.aborted || tenure.over) {
      await tenure.release()
      return undefined
    }
    this.#tenure = tenure
    this.#term = this.#next(tenure)
    this.#hooks.acquired(tenure.epoch)
    return tenure
  }

  #lost(tenure: Tenure, error: CheckpointError): void {
    if (this.#tenure !== tenure) return
    const { sink, deadLetter } = this.#options
    this.#tenure = undefined
    this.#term.drop(error)
    void quietly(() => sink.abandon?.())
    if (deadLetter?.sink !== sink) void quietly(() => deadLetter?.sink?.abandon?.())
    this.#report.lost()
    this.#reading = this.reading
    const ending = this.#ending.signal.aborted
    if (!ending) this.#term = this.#next(undefined) // while it ends, what is unsettled is still looked at
    this.#hooks.lost(tenure.epoch, error)
    if (ending || this.#paused) return
    this.#hooks.stands('standby')
    void this.#seek()
  }

  #next(tenure: Tenure | undefined): Term<E, M> {
    return new Term(this.#options, this.#report, this.#hooks, { tenure, before: this.#term })
  }

  #failing(error: unknown): void {
    this.#error = error
    this.#report.leaseFailing(error !== undefined)
  }

  /** A tenth of the lease's time, which is what a take-over costs beside it. */
  async #wait(): Promise<void> {
    const ms = Math.max(100, this.#ttlMs / 10) * (0.5 + this.#options.random() / 2)
    await sleep(ms, this.#wake.signal).catch(() => undefined)
    this.#ending.signal.throwIfAborted()
  }
}
