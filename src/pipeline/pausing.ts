/** Pause and resume in the order of the calls, each after the one before is through. */
export class Pausing {
  #wanted: 'running' | 'paused' = 'running'
  #moving: Promise<void>

  /** `starting` is the promise of the start: nothing is paused before. */
  constructor(starting: Promise<void>) {
    this.#moving = starting
  }

  /** The promise of what was asked for last. */
  get moving(): Promise<void> {
    return this.#moving
  }

  /** Goes there by `move`; the same promise as before when that is what was asked for last. */
  to(wanted: 'running' | 'paused', move: () => Promise<void>): Promise<void> {
    if (this.#wanted === wanted) return this.#moving
    this.#wanted = wanted
    this.#moving = this.#moving.then(move)
    // Whatever it rejects with also ends the pipeline, or is a stop: nobody has to hear it twice.
    this.#moving.catch(() => undefined)
    return this.#moving
  }
}
