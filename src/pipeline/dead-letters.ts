import { OptionsError } from '../errors.js'
import { messageId } from '../message-id.js'
import { type BackOffOptions, backOffMs } from '../retry.js'
import type { Sink } from '../types.js'
import { deadLetterFailed, type EventFailure } from './failure-policy.js'
import type { Job } from './job.js'
import { classifyRefusal } from './refusal.js'

/** What a dead letter is made of. */
export interface DeadLetterFailure<E = unknown> extends EventFailure<E> {
  /** The name of the pipeline. */
  readonly pipeline: string
  readonly failedAt: Date
}

/** Where dead letters go, and what they look like. */
export interface DeadLetterOptions<E, M> {
  /**
   * Takes the dead letters. Belongs to this pipeline, which opens and closes it with the other parts. @default the
   * pipeline's `sink`
   */
  readonly sink?: Sink<M>
  /** Makes the message: `deadLetterMessage()` for RabbitMQ, or a function of your own. If it throws the pipeline stops. */
  readonly message: (failure: DeadLetterFailure<E>) => M
}

/** How dead letters are sent. */
export interface DeadLettersOptions<E, M> {
  readonly name: string
  readonly sink: Sink<M>
  readonly deadLetter: DeadLetterOptions<E, M> | undefined
  readonly maxAttempts: number
  readonly retry: BackOffOptions
  readonly random: () => number
  /** With a lease: whether it is ours now. Asked before each publish, of messages too. */
  readonly mayPublish: (() => boolean) | undefined
}

/** What the sending of dead letters tells. */
export interface DeadLettersHooks<E, M> {
  readonly resized: (job: Job<E, M>, bytes: number) => void
  readonly sent: (job: Job<E, M>) => void
  /** It was not taken and is sent again after the delay; `nacked` when the broker has no room. */
  readonly retrying: (job: Job<E, M>, error: unknown, delayMs: number, nacked: boolean) => void
  readonly failed: (job: Job<E, M>, error: unknown) => void
}

/** The index of a dead letter among the messages of its event: an id of its own, the same on every copy. */
const DEAD_LETTER_INDEX = -1

/**
 * Sends dead letters. The event stays unsettled until its letter is confirmed: a broker that has no room is waited for
 * without limit, as the sink waits for one that is away; a letter that is refused itself ends the pipeline.
 */
export class DeadLetters<E, M> {
  readonly #options: DeadLettersOptions<E, M>
  readonly #hooks: DeadLettersHooks<E, M>
  readonly #sink: Sink<M>
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(options: DeadLettersOptions<E, M>, hooks: DeadLettersHooks<E, M>) {
    this.#options = options
    this.#hooks = hooks
    this.#sink = options.deadLetter?.sink ?? options.sink
  }

  /** Sends the letter of an event; called with the option `deadLetter` alone. */
  send(job: Job<E, M>, failure: EventFailure): void {
    try {
      const message = this.#messageOf(failure)
      job.attempts = 0
      const bytes = this.#sink.sizeOf?.(message)
      if (bytes !== undefined && bytes >= 0) this.#hooks.resized(job, bytes)
      this.#publish(job, message, 0)
    } catch (error) {
      this.#hooks.failed(job, deadLetterFailed(error))
    }
  }

  /** Sends nothing again; confirms that are under way are still told. */
  close(): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #messageOf(failure: EventFailure): M {
    const { name, deadLetter } = this.#options
    const full = { ...failure, pipeline: name, failedAt: new Date() } as DeadLetterFailure<E>
    const message = deadLetter?.message(full)
    if (message !== undefined && message !== null) return message
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected `deadLetter.message` to return a message, got none')
  }

  #publish(job: Job<E, M>, message: M, refusals: number): void {
    if (this.#options.mayPublish?.() === false) return
    job.attempts += 1
    const delivery = { id: messageId(job.record.id, DEAD_LETTER_INDEX) }
    // In a promise, so that a sink that throws, and hooks that run synchronously, can't get into each other's way.
    const sent = new Promise<void>(resolve => resolve(this.#sink.publish(message, delivery)))
    sent.then(
      () => this.#hooks.sent(job),
      error => {
        if (!this.#closed) this.#refused(job, message, refusals, error)
      },
    )
  }

  #refused(job: Job<E, M>, message: M, refusals: number, error: unknown): void {
    const { random, retry, maxAttempts } = this.#options
    const kind = classifyRefusal(error)
    // Transport is for the sink to heal: whatever else it rejects with concerns the letter.
    const counted = refusals + (kind === 'nack' ? 0 : 1)
    if (kind === 'final' || counted >= maxAttempts) {
      this.#hooks.failed(job, deadLetterFailed(error))
      return
    }
    const delayMs = backOffMs(job.attempts, random, retry)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#publish(job, message, counted)
    }, delayMs)
    this.#timers.add(timer)
    this.#hooks.retrying(job, error, delayMs, kind === 'nack')
  }
}
