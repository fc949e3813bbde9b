interface Timer {
  readonly at: number
  readonly sequence: number
  readonly run: () => void
}

const real = {
  dateNow: Date.now,
  performanceNow: performance.now,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
}

/**
 * The clock of one process, as `fakeClock` of the testing kit is one, made for tens of thousands of short processes: it
 * has no intervals, and lets the event loop turn once per timer.
 */
export class Clock {
  #now: number
  #sequence = 0
  readonly #timers = new Map<object, Timer>()

  /** Takes over the time of this process until `restore()`. */
  constructor(now: number) {
    this.#now = now
    globalThis.setTimeout = ((run: (...given: unknown[]) => void, ms?: number, ...given: unknown[]) => {
      const handle = { ref: () => handle, unref: () => handle }
      this.#sequence += 1
      const at = this.#now + Math.max(1, Number(ms) || 0)
      this.#timers.set(handle, { at, sequence: this.#sequence, run: () => run(...given) })
      return handle
    }) as unknown as typeof setTimeout
    globalThis.clearTimeout = (handle: unknown): void => {
      if (!this.#timers.delete(handle as object)) real.clearTimeout(handle as NodeJS.Timeout)
    }
    Date.now = () => this.#now
    performance.now = () => this.#now
  }

  get now(): number {
    return this.#now
  }

  /** Runs every timer that is due, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    for (let next = this.#due(until); next; next = this.#due(until)) {
      const [handle, { at, run }] = next
      this.#timers.delete(handle)
      this.#now = at
      run()
      await turn()
    }
    this.#now = until
  }

  /** Gives the real clock back. Timers that wait never fire. */
  restore(): void {
    Date.now = real.dateNow
    performance.now = real.performanceNow
    globalThis.setTimeout = real.setTimeout
    globalThis.clearTimeout = real.clearTimeout
  }

  #due(until: number): [object, Timer] | undefined {
    let first: [object, Timer] | undefined
    for (const entry of this.#timers) {
      const [, { at, sequence }] = entry
      if (at > until || (first && (at > first[1].at || (at === first[1].at && sequence > first[1].sequence)))) continue
      first = entry
    }
    return first
  }
}

/** A turn of the event loop: all promises that can go on have gone on before it. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
