import type { Answers } from '../direct-publish.js'
import type { FailedEventAction, FailureStage, RetryStage } from '../events.js'
import { backOffMs } from '../retry.js'
import { Circuit } from './circuit.js'
import { Disposal, type DisposalOptions } from './dispose.js'
import type { EventFailure } from './failure-policy.js'
import { send, sizeOfParts } from './hand-over.js'
import { type Job, type Part, partOf } from './job.js'
import type { Ordering } from './pipeline-options.js'
import { sortRefused } from './refusal.js'
import { TransformStage, type TransformStageOptions } from './transform-stage.js'
import { Turns } from './turns.js'

/** How events are delivered. */
export interface DeliverOptions<E, M> extends TransformStageOptions<E, M>, DisposalOptions<E, M> {
  readonly ordering: Ordering<E>
}

/** How an event was settled. */
export type Settlement = 'published' | 'filtered' | 'skipped' | 'deadLettered'

/** What the delivery tells. After `close()` it tells only `settled`, for confirms that come late. */
export interface DeliverHooks<E, M> {
  /** The messages are encoded: together they have this size. */
  readonly resized: (job: Job<E, M>, bytes: number) => void
  readonly settled: (job: Job<E, M>, outcome: Settlement) => void
  readonly retrying: (job: Job<E, M>, stage: RetryStage, error: unknown, delayMs: number) => void
  readonly failed: (failure: EventFailure, action: FailedEventAction) => void
  /** The pipeline has to end: the event stays unsettled. */
  readonly fatal: (error: unknown) => void
  /** How many events wait because of a nack. */
  readonly nacked: (count: number) => void
  /** Nothing is going on any more, unless `settled` has let others start. */
  readonly quiet: () => void
}

/**
 * Brings one event from transform to settled: transform, publish all messages in array order at once, retry what was
 * refused; what failed for good is disposed of in `dispose.ts`. Written with callbacks: per event there is no promise
 * but those of the transform and the sink.
 */
export class Deliver<E, M> {
  readonly #options: DeliverOptions<E, M>
  readonly #hooks: DeliverHooks<E, M>
  readonly #transforms: TransformStage<E, M, Job<E, M>>
  readonly #turns: Turns<Job<E, M>> | undefined
  readonly #circuit: Circuit | undefined
  readonly #disposal: Disposal<E, M>
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #answers: Answers<Part<E, M>> = {
    confirmed: part => this.#answered(part.job),
    refused: (part, error) => this.#refused(part, error),
  }
  #busy = 0
  #nacked = 0
  #closed = false

  constructor(options: DeliverOptions<E, M>, hooks: DeliverHooks<E, M>) {
    this.#options = options
    this.#hooks = hooks
    this.#turns = options.ordering === 'pipelined' ? new Turns() : undefined
    this.#transforms = new TransformStage(options, {
      transformed: (job, messages) => this.#transformed(job, messages),
      failed: (job, error) => this.#transformFailed(job, error),
    })
    this.#circuit = options.circuitBreaker && new Circuit(options.circuitBreaker)
    this.#disposal = new Disposal(options, this.#circuit, {
      decided: hooks.failed,
      resized: hooks.resized,
      skipped: job => this.#settle(job, 'skipped'),
      sent: job => this.#settle(job, 'deadLettered'),
      again: (job, { stage, error }) => this.#again(job, stage, error),
      halted: (job, error) => this.#halt(job, error),
      retrying: (job, error, delayMs, nacked) => {
        this.#setNacked(job, nacked)
        hooks.retrying(job, 'dead-letter', error, delayMs)
      },
    })
  }

  /** Events on which something is still going on; 0 also when what is left can't go on any more after a fatal one. */
  get busy(): number {
    return this.#busy
  }

  /** Begins with an event; called in the order in which the lanes let them go. */
  start(job: Job<E, M>): void {
    this.#busy += 1
    this.#turns?.enter(job)
    this.#transform(job)
  }

  /** Ends retries and transforms; what the sink still confirms is settled, nothing else happens any more. */
  close(reason: unknown): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#transforms.close(reason)
    this.#disposal.close()
  }

  #transform(job: Job<E, M>): void {
    job.attempts += 1
    if (job.keyError !== undefined) this.#giveUp(job, 'transform', job.keyError)
    else this.#transforms.start(job)
  }

  #transformFailed(job: Job<E, M>, error: unknown): void {
    const retryable = (error as { retryable?: unknown } | undefined)?.retryable === true
    if (retryable && job.attempts < this.#options.maxAttempts) this.#later(job, 'transform', error)
    else this.#giveUp(job, 'transform', error)
  }

  #transformed(job: Job<E, M>, messages: readonly M[]): void {
    if (this.#closed) return
    if (messages.length === 0) this.#settle(job, 'filtered')
    else if (this.#prepare(job, messages)) this.#takeTurn(job)
  }

  /** Makes the parts and corrects the size; false if the sink refused to measure a message. */
  #prepare(job: Job<E, M>, messages: readonly M[]): boolean {
    job.parts = messages.map((message, index) => partOf(job, message, index))
    job.messages = messages.length
    try {
      const bytes = sizeOfParts(this.#options.sink, job.parts)
      if (bytes !== undefined) this.#hooks.resized(job, bytes)
      job.attempts = 0
      return true
    } catch (error) {
      this.#giveUp(job, 'publish', error)
      return false
    }
  }

  #takeTurn(job: Job<E, M>): void {
    if (this.#turns) {
      this.#busy -= 1 // waits for its turn; whoever lets it go counts it again
      this.#goOn(this.#turns.ready(job))
      if (this.#busy === 0) this.#hooks.quiet()
    } else this.#publish(job)
  }

  #goOn(jobs: readonly Job<E, M>[]): void {
    this.#busy += jobs.length
    for (const job of jobs) this.#publish(job)
  }

  #publish(job: Job<E, M>): void {
    job.attempts += 1
    job.outstanding = job.parts.length
    for (const part of job.parts) this.#send(part)
  }

  #send(part: Part<E, M>): void {
    if (this.#options.mayPublish?.() === false) return // the lease is lost, and all of this is about to be dropped
    try {
      send(this.#options.sink, part, this.#answers)
    } catch (error) {
      this.#refused(part, error)
    }
  }

  #refused(part: Part<E, M>, error: unknown): void {
    part.error = error
    part.job.refused.push(part)
    this.#answered(part.job)
  }

  #answered(job: Job<E, M>): void {
    job.outstanding -= 1
    if (job.outstanding > 0) return
    if (job.refused.length === 0 && !job.lost) this.#settle(job, 'published')
    else if (!this.#closed) this.#afterRefusal(job)
  }

  /** Sends again what may be sent again, in array order; the policy is asked when nothing of that is left. */
  #afterRefusal(job: Job<E, M>): void {
    const nacked = sortRefused(job, this.#options.maxAttempts)
    this.#setNacked(job, nacked)
    const [first] = job.parts
    if (first) this.#later(job, 'publish', first.error)
    else this.#giveUp(job, 'publish', job.lost?.[0]?.error)
  }

  #later(job: Job<E, M>, stage: FailureStage, error: unknown): void {
    if (this.#closed) return
    const { random, retry } = this.#options
    const delayMs = backOffMs(job.attempts, random, retry)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      if (stage === 'transform') this.#transform(job)
      else this.#publish(job)
    }, delayMs)
    this.#timers.add(timer)
    this.#hooks.retrying(job, stage, error, delayMs)
  }

  #giveUp(job: Job<E, M>, stage: FailureStage, error: unknown): void {
    if (this.#closed) return
    const { event, id } = job.record
    this.#disposal.dispose(job, { stage, error, event, id, attempts: job.attempts })
  }

  /** The policy wants it tried once more: what was not taken is sent again, otherwise the transform is called again. */
  #again(job: Job<E, M>, stage: FailureStage, error: unknown): void {
    const { lost } = job
    job.lost = undefined
    if (lost) job.parts = lost
    this.#later(job, lost ? stage : 'transform', error)
  }

  #halt(job: Job<E, M>, error: unknown): void {
    this.#setNacked(job, false)
    this.#turns?.close()
    this.#busy -= 1
    this.#hooks.fatal(error)
    if (this.#busy === 0) this.#hooks.quiet()
  }

  #settle(job: Job<E, M>, outcome: Settlement): void {
    this.#setNacked(job, false)
    this.#busy -= 1
    if (outcome === 'published' || outcome === 'filtered') this.#circuit?.passed()
    if (this.#turns) this.#goOn(this.#turns.leave(job))
    this.#hooks.settled(job, outcome)
    if (this.#busy === 0) this.#hooks.quiet()
  }

  #setNacked(job: Job<E, M>, nacked: boolean): void {
    if (job.nacked === nacked) return
    job.nacked = nacked
    this.#nacked += nacked ? 1 : -1
    this.#hooks.nacked(this.#nacked)
  }
}
