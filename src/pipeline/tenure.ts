import { CheckpointError, messageOf } from '../errors.js'
import { backOffMs } from '../retry.js'
import type { Lease } from '../types.js'
import { abortable, quietly, settledWithin } from '../waiting.js'
import type { Stopwatch } from './stopwatch.js'

/** Of `ttlMs`, what is left unused: for clocks that go at different speeds, and bytes that are already on their way. */
const MARGIN = 1 / 10
/** How long giving it up may take, in milliseconds. */
const RELEASE_MS = 1000

/** How a lease is kept. */
export interface TenureOptions {
  readonly ttlMs: number
  /** From 0 to 1, for the jitter of delays. */
  readonly random: () => number
  /** A clock that is started now. */
  readonly stopwatch: () => Stopwatch
}

/** A failed attempt to get or to renew a lease, as it is told. */
export interface LeaseFailure {
  readonly error: unknown
  /** How many have failed in a row. */
  readonly attempt: number
  /** Until the next one, in milliseconds. */
  readonly delayMs: number
}

/** What a tenure tells. */
export interface TenureHooks {
  /** Told once, in a microtask of its own, since it may be noticed in the middle of publishing; not after `end()`. */
  readonly lost: (error: CheckpointError) => void
  /** A renewal failed and is tried again; `undefined`: one has succeeded. */
  readonly failing: (failure: LeaseFailure | undefined) => void
}

/**
 * A lease that is ours, from acquired to lost or given up. Whether it still is, is judged without asking anybody: by the
 * time since just before the last successful renewal was sent, as the server can't have counted from earlier.
 */
export class Tenure {
  readonly #lease: Lease
  readonly #options: TenureOptions
  readonly #hooks: TenureHooks
  #since: Stopwatch
  #over = false
  #attempt = 0
  #error: unknown
  /** A renewal is sent that has neither an answer nor failed. */
  #asked = false
  /** Of the next renewal; while one waits for its answer, of the end of that. */
  #renewal: NodeJS.Timeout | undefined
  #expiry: NodeJS.Timeout | undefined

  /** `since` was started before the store was asked for the lease. */
  constructor(lease: Lease, since: Stopwatch, options: TenureOptions, hooks: TenureHooks) {
    this.#lease = lease
    this.#since = since
    this.#options = options
    this.#hooks = hooks
    this.#renewIn(options.ttlMs / 3 - since.elapsedMs)
    this.#watch()
  }

  get epoch(): number {
    return this.#lease.epoch
  }

  /** Lost or ended. */
  get over(): boolean {
    return this.#over
  }

  /** For how long it is certainly ours, if nothing is renewed any more; 0 when it is over. */
  get validForMs(): number {
    if (this.#over) return 0
    return Math.max(0, this.#options.ttlMs * (1 - MARGIN) - this.#since.elapsedMs)
  }

  /** Whether it is certainly ours now; once it isn't, it never is again. */
  readonly mayPublish = (): boolean => {
    if (this.#over) return false
    if (this.validForMs > 0) return true
    this.#expire()
    return false
  }

  /** It is somebody else's, as a refused save or renewal tells. */
  lose(error: CheckpointError): void {
    if (this.#over) return
    this.end()
    queueMicrotask(() => this.#hooks.lost(error))
  }

  /** Isn't renewed any more, and nothing is told. */
  end(): void {
    this.#over = true
    clearTimeout(this.#renewal)
    clearTimeout(this.#expiry)
  }

  /** Gives it up, so that another instance gets it at once; where the store is away, it runs out. Takes at most a second. */
  async release(): Promise<void> {
    this.end()
    await settledWithin(
      quietly(() => this.#lease.release()),
      RELEASE_MS,
    )
  }

  #renewIn(ms: number): void {
    clearTimeout(this.#renewal)
    this.#renewal = setTimeout(() => void this.#renew(), Math.max(0, ms))
  }

  async #renew(): Promise<void> {
    const { ttlMs, random, stopwatch } = this.#options
    const sent = stopwatch()
    const deadline = new AbortController()
    this.#renewal = setTimeout(() => deadline.abort(unanswered(ttlMs)), ttlMs / 3)
    this.#asked = true
    try {
      await abortable(deadline.signal, async () => this.#answered(await this.#lease.renew(), sent))
      if (this.#over) return
      this.#asked = false
      this.#attempt = 0
      this.#error = undefined
      this.#hooks.failing(undefined)
      this.#renewIn(ttlMs / 3 - sent.elapsedMs)
    } catch (error) {
      if (this.#over) return
      this.#asked = false
      this.#attempt += 1
      this.#error = error
      const attempt = this.#attempt
      const delayMs = backOffMs(attempt, random, { minDelayMs: ttlMs / 50, maxDelayMs: ttlMs / 10 })
      this.#renewIn(delayMs)
      this.#hooks.failing({ error, attempt, delayMs }) // last: a listener may stop the pipeline, which ends the tenure
    }
  }

  /** Also by an answer behind its deadline: what the server says counts from when it was asked. */
  #answered(ours: boolean, sent: Stopwatch): void {
    if (!ours) this.lose(taken(this.epoch))
    else if (sent.elapsedMs < this.#since.elapsedMs) this.#since = sent
  }

  /** The timer is for a pipeline that publishes nothing just now; `mayPublish` doesn't rely on it. */
  #watch(): void {
    if (this.#over) return
    if (this.validForMs > 0) this.#expiry = setTimeout(() => this.#watch(), Math.ceil(this.validForMs))
    else this.#expire()
  }

  #expire(): void {
    const { ttlMs } = this.#options
    this.lose(expired(ttlMs, this.#error ?? (this.#asked ? unanswered(ttlMs) : undefined)))
  }
}

function taken(epoch: number): CheckpointError {
  return new CheckpointError('CDC_FENCED', `Expected the lease to have epoch ${epoch}, but another instance has it`)
}

function unanswered(ttlMs: number): CheckpointError {
  const text = `No answer to a renewal of the lease, which has ${Math.round(ttlMs / 3)} ms for it`
  return new CheckpointError('CDC_CHECKPOINT_FAILED', text, { retryable: true })
}

function expired(ttlMs: number, cause: unknown): CheckpointError {
  const why = cause === undefined ? 'the process was held up, or its clock was set' : messageOf(cause)
  const text = `Expected to renew the lease within its ${ttlMs} ms: ${why}`
  return new CheckpointError('CDC_LEASE_EXPIRED', text, { cause, retryable: true })
}
