/** The two clocks of a process, in milliseconds. */
export interface Clocks {
  /** Never goes back; stands still while the machine sleeps. */
  monotonic(): number
  /** Goes on while the machine sleeps; may be set, back and forth. */
  wall(): number
}

export const systemClocks: Clocks = { monotonic: () => performance.now(), wall: () => Date.now() }

/** How much the difference of the two clocks moves by itself, as one of them counts whole milliseconds. */
const JITTER_MS = 2

/**
 * How long something has been going on at most, by whichever clock says more. A wall clock that jumps forward counts as
 * a sleep of the machine, as nobody can tell the two apart; one that is set back takes nothing back.
 */
export class Stopwatch {
  readonly #clocks: Clocks
  readonly #startedAt: number
  /** What the wall clock has gained on the other one, before it was last set back. */
  #gained = 0
  /** How far it was ahead then, and has been at most since. */
  #low: number
  #high: number

  constructor(clocks: Clocks) {
    this.#clocks = clocks
    this.#startedAt = clocks.monotonic()
    this.#low = clocks.wall() - this.#startedAt
    this.#high = this.#low
  }

  get elapsedMs(): number {
    const now = this.#clocks.monotonic()
    const ahead = this.#clocks.wall() - now
    if (ahead > this.#high) this.#high = ahead
    else if (ahead < this.#high - JITTER_MS) {
      this.#gained += this.#high - this.#low
      this.#low = ahead
      this.#high = ahead
    }
    return now - this.#startedAt + this.#gained + this.#high - this.#low
  }
}
