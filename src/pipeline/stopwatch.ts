/** The two clocks of a process, in milliseconds. */
export interface Clocks {
  /** Never goes back; stands still while the machine sleeps. */
  monotonic(): number
  /** Goes on while the machine sleeps; may be set, back and forth. */
  wall(): number
}

export const systemClocks: Clocks = { monotonic: () => performance.now(), wall: () => Date.now() }

/**
 * How long something has been going on at most, by whichever clock says more. A wall clock that jumps forward counts as
 * a sleep of the machine: nobody can tell the two apart. One that was set back is followed each time that it is looked
 * at, so that a sleep behind that still counts.
 */
export class Stopwatch {
  readonly #clocks: Clocks
  readonly #startedAt: number
  /** How far the wall clock is ahead of the other one, when it was least. */
  #ahead: number

  constructor(clocks: Clocks) {
    this.#clocks = clocks
    this.#startedAt = clocks.monotonic()
    this.#ahead = clocks.wall() - this.#startedAt
  }

  get elapsedMs(): number {
    const now = this.#clocks.monotonic()
    const ahead = this.#clocks.wall() - now
    if (ahead < this.#ahead) this.#ahead = ahead
    return now - this.#startedAt + ahead - this.#ahead
  }
}
