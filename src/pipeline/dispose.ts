import type { FailedEventAction } from '../events.js'
import type { Circuit, CircuitBreakerOptions } from './circuit.js'
import { DeadLetters, type DeadLettersHooks, type DeadLettersOptions } from './dead-letters.js'
import {
  circuitOpen,
  type EventFailure,
  eventFailed,
  type FailedEventPolicy,
  policyInvalid,
  policyThrew,
} from './failure-policy.js'
import { isThenable, type Job } from './job.js'

/** How failed events are disposed of. */
export interface DisposalOptions<E, M> extends DeadLettersOptions<E, M> {
  readonly onFailedEvent: FailedEventPolicy<E>
  readonly circuitBreaker: CircuitBreakerOptions | undefined
}

/** What the disposal tells. */
export interface DisposalHooks<E, M> extends Omit<DeadLettersHooks<E, M>, 'failed'> {
  /** It is decided. Not told for `retry`: then the event has not failed for good. */
  readonly decided: (failure: EventFailure, action: FailedEventAction) => void
  readonly skipped: (job: Job<E, M>) => void
  /** The event is to be tried once more. */
  readonly again: (job: Job<E, M>, failure: EventFailure) => void
  /** The pipeline has to end: the event stays unsettled. */
  readonly halted: (job: Job<E, M>, error: unknown) => void
}

/**
 * What becomes of an event that failed for good: the policy is asked, and what it says is done. Until then the event
 * is unsettled, so that its lane waits and no saved position passes it. Costs nothing while nothing fails.
 */
export class Disposal<E, M> {
  readonly #options: DisposalOptions<E, M>
  readonly #hooks: DisposalHooks<E, M>
  readonly #circuit: Circuit | undefined
  readonly #letters: DeadLetters<E, M>
  #closed = false

  constructor(options: DisposalOptions<E, M>, circuit: Circuit | undefined, hooks: DisposalHooks<E, M>) {
    this.#options = options
    this.#hooks = hooks
    this.#circuit = circuit
    this.#letters = new DeadLetters(options, { ...hooks, failed: (job, error) => hooks.halted(job, error) })
  }

  /** Asks the policy about an event. */
  dispose(job: Job<E, M>, failure: EventFailure<E>): void {
    let decision: unknown
    try {
      const { onFailedEvent } = this.#options
      decision = typeof onFailedEvent === 'function' ? onFailedEvent(failure) : onFailedEvent
    } catch (error) {
      this.#stop(job, failure, policyThrew(error))
      return
    }
    if (isThenable(decision)) {
      Promise.resolve(decision).then(
        decided => this.#act(job, failure, decided),
        error => this.#stop(job, failure, policyThrew(error)),
      )
    } else this.#act(job, failure, decision)
  }

  /** Nothing is decided and no dead letter is sent any more; one that is confirmed late still counts. */
  close(): void {
    this.#closed = true
    this.#letters.close()
  }

  #act(job: Job<E, M>, failure: EventFailure<E>, decision: unknown): void {
    if (this.#closed) return
    if (decision === 'retry') this.#hooks.again(job, failure)
    else if (decision === 'stop') this.#stop(job, failure, eventFailed(failure))
    else if (decision !== 'skip' && !this.#isLetter(decision)) {
      this.#stop(job, failure, policyInvalid(decision, failure))
    } else if (this.#circuit?.failed() && this.#options.circuitBreaker) {
      this.#stop(job, failure, circuitOpen(failure.error, this.#options.circuitBreaker))
    } else {
      this.#hooks.decided(failure, decision)
      if (decision === 'skip') this.#hooks.skipped(job)
      else this.#letters.send(job, failure)
    }
  }

  #isLetter(decision: unknown): decision is 'dead-letter' {
    return decision === 'dead-letter' && this.#options.deadLetter !== undefined
  }

  #stop(job: Job<E, M>, failure: EventFailure, error: unknown): void {
    if (this.#closed) return
    this.#hooks.decided(failure, 'stop')
    this.#hooks.halted(job, error)
  }
}
