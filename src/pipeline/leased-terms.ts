import { type CheckpointError, messageOf } from '../errors.js'
import { quietly } from '../waiting.js'
import type { LeaseOptions } from './lease-options.js'
import { LeaseSeeker, mendsLater } from './lease-seeker.js'
import { openSinks, type StageListener } from './opening.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Report } from './report.js'
import { Stopwatch, systemClocks } from './stopwatch.js'
import type { LeaseFailure, Tenure } from './tenure.js'
import { Term } from './term.js'
import type { LeaseSummary, Standing, Terms, TermsHooks } from './terms.js'

/** What leased terms tell beside what a single one does. */
export interface LeasedHooks extends TermsHooks {
  /** The lease is ours: the position is read afresh, and the source opened. */
  readonly acquired: (epoch: number) => void
  /** The lease is not ours any more, and everything of this term is forgotten. Not told when it is given up. */
  readonly lost: (epoch: number, error: CheckpointError) => void
}

/**
 * One term after the other: each begins when the lease is acquired and ends when it is lost. In between this instance
 * stands by, and the seeker asks for the lease.
 */
export class LeasedTerms<E, M> implements Terms<E, M> {
  readonly #options: ResolvedOptions<E, M>
  readonly #ttlMs: number
  readonly #report: Report
  readonly #hooks: LeasedHooks
  readonly #seeker: LeaseSeeker<E, M>
  #term: Term<E, M>
  #tenure: Tenure | undefined
  #error: unknown
  /** Started with the first question or renewal that has no answer yet. */
  #unanswered: Stopwatch | undefined
  /** Of the terms before: the source is opened again when that has ended. */
  #reading: Promise<void> = Promise.resolve()

  constructor(options: ResolvedOptions<E, M>, { ttlMs }: LeaseOptions, report: Report, hooks: LeasedHooks) {
    this.#options = options
    this.#ttlMs = ttlMs
    this.#report = report
    this.#hooks = hooks
    this.#term = new Term(options, report, hooks)
    this.#seeker = new LeaseSeeker(options, ttlMs, {
      acquired: tenure => this.#begin(tenure),
      read: (tenure, stage) => this.#read(tenure, stage),
      forgo: (tenure, failure) => this.#forgo(tenure, failure),
      lost: (tenure, error) => this.#lost(tenure, error),
      asking: () => this.#await(),
      failing: failure => this.#failing(failure),
      stands: hooks.stands,
      failed: hooks.failed,
    })
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

  get unanswered(): boolean {
    return this.#unanswered !== undefined && this.#unanswered.elapsedMs > this.#ttlMs
  }

  /** Resolves when the stream stands, or when another instance has the lease. */
  async open(stage: StageListener): Promise<void> {
    await openSinks(this.#options, this.#seeker.signal, stage, () => this.#tenure?.mayPublish() ?? false)
    await this.#seeker.seek(stage)
  }

  /** Keeps the lease; without it, doesn't ask for it any more. */
  async pause(reason: unknown): Promise<void> {
    await this.#seeker.pause(reason)
    await this.#term.pause(reason)
  }

  async resume(): Promise<void> {
    this.#seeker.resume()
    const tenure = this.#tenure
    if (!tenure) return await this.#seeker.seek()
    try {
      await this.#term.resume()
    } catch (error) {
      if (!tenure.over) {
        if (this.#seeker.signal.aborted || !mendsLater(error)) throw error
        await this.#forgo(tenure, { error, attempt: 1, delayMs: 0 })
      }
    }
    if (tenure.over) await this.#seeker.seek()
    else this.#hooks.stands('running')
  }

  end(reason: unknown): void {
    this.#seeker.end(reason)
    this.#term.end(reason)
  }

  async leave(closed: boolean): Promise<void> {
    await this.#seeker.whenQuiet()
    if (closed) await this.#tenure?.release()
    else this.#tenure?.end() // it runs out by itself, some time after the last byte of ours
  }

  #begin(tenure: Tenure): void {
    this.#tenure = tenure
    this.#term = this.#next(tenure)
    this.#hooks.acquired(tenure.epoch)
  }

  async #read(tenure: Tenure, stage: StageListener): Promise<Standing> {
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

  /** Nothing was read in this term: there is nothing in flight to be abandoned. */
  async #forgo(tenure: Tenure, failure: LeaseFailure): Promise<void> {
    this.#drop(failure.error)
    this.#report.lost()
    this.#failing(failure)
    await tenure.release()
    if (this.#seeker.signal.aborted) return
    this.#tenure = undefined
    this.#term = this.#next(undefined)
  }

  #lost(tenure: Tenure, error: CheckpointError): void {
    if (this.#tenure !== tenure) return
    const { sink, deadLetter } = this.#options
    this.#tenure = undefined
    this.#drop(error)
    void quietly(() => sink.abandon?.())
    if (deadLetter?.sink !== sink) void quietly(() => deadLetter?.sink?.abandon?.())
    const ending = this.#seeker.signal.aborted
    if (!ending) this.#term = this.#next(undefined) // while it ends, what is unsettled is still looked at
    this.#hooks.lost(tenure.epoch, error)
    this.#report.lost() // not before: until it stands by, it is degraded
    if (ending || this.#seeker.paused) return
    this.#hooks.stands('standby')
    void this.#seeker.seek()
  }

  #drop(error: unknown): void {
    this.#term.drop(error)
    this.#reading = this.reading
  }

  #next(tenure: Tenure | undefined): Term<E, M> {
    return new Term(this.#options, this.#report, this.#hooks, { tenure, before: this.#term })
  }

  #await(): void {
    this.#unanswered ??= new Stopwatch(systemClocks)
  }

  #failing(failure: LeaseFailure | undefined): void {
    this.#error = failure?.error
    if (failure) this.#await()
    else this.#unanswered = undefined
    this.#report.leaseFailing(failure)
  }
}
