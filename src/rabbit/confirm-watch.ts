/** What the doubling ends at. */
const MAX_PATIENCE_MS = 300_000
/** For how long after a silence it stays patient. */
const MEMORY_MS = 600_000

/**
 * Notices that nothing comes back from the broker while something should. It measures progress, not messages: a long
 * queue of confirms is no silence. Each time it is twice as patient, and stays so for ten minutes, also when something
 * comes back: a broker that is always slow would otherwise get every message twice, which makes it slower.
 */
export class ConfirmWatch {
  readonly #baseMs: number
  readonly #onSilence: (silentMs: number) => void
  #patienceMs: number
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined
  #secondLook = false
  #silentAt = Number.NEGATIVE_INFINITY

  constructor(baseMs: number, onSilence: (silentMs: number) => void) {
    this.#baseMs = baseMs
    this.#patienceMs = baseMs
    this.#onSilence = onSilence
  }

  /** From now on something is awaited; has no effect if something was already. */
  await(): void {
    if (this.#since !== undefined) return
    this.#since = performance.now()
    this.#timer ??= this.#arm(this.#patienceMs)
  }

  /** Something came back. */
  progress(): void {
    this.#secondLook = false
    const now = performance.now()
    if (this.#since !== undefined) this.#since = now
    if (this.#patienceMs === this.#baseMs || now - this.#silentAt < MEMORY_MS) return
    this.#patienceMs = this.#baseMs
    // The running one was set when more patience was due.
    clearTimeout(this.#timer)
    this.#timer = this.#since === undefined ? undefined : this.#arm(this.#baseMs)
  }

  /** Nothing is awaited, or nothing can come. The timer runs out by itself: stopping it per message would cost more. */
  rest(): void {
    this.#since = undefined
    this.#secondLook = false
  }

  /** Stops the timer too. */
  stop(): void {
    this.rest()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    this.#timer = undefined
    if (this.#since === undefined) return
    const silentMs = performance.now() - this.#since
    const leftMs = this.#patienceMs - silentMs
    if (leftMs > 0) {
      this.#secondLook = false
      this.#timer = this.#arm(Math.ceil(leftMs))
    } else if (!this.#secondLook) {
      // This process may have been busy or stopped, and the answer waits in the socket: timers come before I/O.
      this.#secondLook = true
      this.#timer = this.#arm(Math.min(200, Math.ceil(this.#baseMs / 10)))
    } else {
      this.#secondLook = false
      this.#since = undefined
      this.#silentAt = performance.now()
      this.#patienceMs = Math.min(this.#patienceMs * 2, Math.max(MAX_PATIENCE_MS, this.#baseMs))
      this.#onSilence(Math.round(silentMs))
    }
  }
}
