import { type BackOffOptions, backOffMs } from '../retry.js'

/** What a failure says about the host. */
interface HostFailure {
  /** Waiting hardly mends it: the longest delay at once. */
  readonly slow: boolean
  /** The connection to this host stands, or was good until now: no other one is asked. */
  readonly stay: boolean
}

/**
 * Which of several hosts is tried next, and when. Each has a back-off of its own, so that one that is down, or whose
 * certificate has expired, delays none of the others; after a loss the last good one comes first.
 */
export class HostRing {
  readonly #backOff: Required<BackOffOptions>
  readonly #random: () => number
  readonly #now: () => number
  readonly #failures: number[]
  readonly #notBefore: number[]
  #current = 0

  constructor(
    size: number,
    backOff: Required<BackOffOptions>,
    random: () => number,
    now: () => number = performance.now.bind(performance),
  ) {
    this.#backOff = backOff
    this.#random = random
    this.#now = now
    this.#failures = Array.from({ length: size }, () => 0)
    this.#notBefore = Array.from({ length: size }, () => 0)
  }

  /** Index of the host in use, or next to be tried. */
  get current(): number {
    return this.#current
  }

  /** The host in use was of use: its next failure is a first one. */
  succeeded(): void {
    this.#failures[this.#current] = 0
  }

  /** The host in use failed. Chooses the next one, and returns how many milliseconds to wait for it. */
  failed({ slow, stay }: HostFailure): number {
    const { maxDelayMs } = this.#backOff
    const failed = this.#current
    const failures = (this.#failures[failed] ?? 0) + 1
    this.#failures[failed] = failures
    const bounds = slow ? { minDelayMs: maxDelayMs, maxDelayMs } : this.#backOff
    const now = this.#now()
    this.#notBefore[failed] = now + backOffMs(failures, this.#random, bounds)
    if (!stay) this.#current = this.#soonest(failed)
    return Math.max(0, Math.round((this.#notBefore[this.#current] ?? 0) - now))
  }

  /** The host whose time comes first; of several whose time has come, the next one after `failed`. */
  #soonest(failed: number): number {
    const now = this.#now()
    const size = this.#notBefore.length
    const waitOf = (host: number): number => Math.max(now, this.#notBefore[host] ?? 0)
    let best = (failed + 1) % size
    for (let step = 2; step <= size; step++) {
      const host = (failed + step) % size
      if (waitOf(host) < waitOf(best)) best = host
    }
    return best
  }
}
