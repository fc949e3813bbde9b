/** What the doubling ends at. */
const MAX_PATIENCE_MS = 300_000
/** For how long a slow answer is remembered. */
const MEMORY_MS = 600_000

/**
 * Notices that nothing comes back from the broker while something should. It measures progress, not messages: a long
 * queue of confirms is no silence. Each time in a row it is twice as patient, until something comes back. If that came
 * too late for the usual patience, it waits for twice as long from then on: a broker that is always slow would get every
 * message twice.
 */
export class ConfirmWatch {
  readonly #baseMs: number
  readonly #onSilence: (silentMs: number) => void
  #patienceMs: number
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined
  #secondLook = false
  /** The longest wait that was worth it though it was longer than usual, and when it ended. */
  #slowestMs = 0
  #slowestAt = 0

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
    if (this.#since !== undefined) {
      const now = performance.now()
      this.#remember(now - this.#since, now)
      this.#since = now
    }
    this.#secondLook = false
    const patienceMs = Math.min(Math.max(this.#baseMs, 2 * this.#slowestMs), this.#mostMs)
    if (this.#patienceMs === patienceMs) return
    this.#patienceMs = patienceMs
    // The running one was set when another patience was due.
    clearTimeout(this.#timer)
    this.#timer = this.#since === undefined ? undefined : this.#arm(patienceMs)
  }

  /** Nothing is awaited, or nothing can come. The timer runs out by itself: stopping it per message would cost more. */
  rest(): void {
    this.#since = undefined
  }

  /** Stops the timer too. */
  stop(): void {
    this.rest()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  get #mostMs(): number {
    return Math.max(MAX_PATIENCE_MS, this.#baseMs)
  }

  #remember(waitedMs: number, now: number): void {
    // A wait that was only noticed at the second look may have been this process itself.
    const slowMs = waitedMs > this.#baseMs && !this.#secondLook ? Math.round(waitedMs) : 0
    if (slowMs < this.#slowestMs && now - this.#slowestAt < MEMORY_MS) return
    this.#slowestMs = slowMs
    this.#slowestAt = now
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
      this.#patienceMs = Math.min(this.#patienceMs * 2, this.#mostMs)
      this.#onSilence(Math.round(silentMs))
    }
  }
}
