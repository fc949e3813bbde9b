/** Without a nack for so long it is over, in milliseconds. */
const OVER_MS = 60_000
/** What the doubling ends at. */
const MAX_PATIENCE_MS = 300_000

/**
 * Notices that the broker has refused messages for long. Most often a queue is full; but RabbitMQ can also have forgotten
 * to tell the channel that there is room again: a channel that was refused by a quorum queue goes on being refused when
 * the limit of the queue is lifted (seen with 3.10.8), and only a new one gets through.
 */
export class NackWatch {
  readonly #baseMs: number
  #patienceMs: number
  #since: number | undefined
  #lastAt = 0

  constructor(baseMs: number) {
    this.#baseMs = baseMs
    this.#patienceMs = baseMs
  }

  /** Notes a nack; true when it is worth asking over a new channel, each time after twice the time. */
  nacked(now: number = performance.now()): boolean {
    if (this.#since === undefined || now - this.#lastAt > Math.max(OVER_MS, 2 * this.#baseMs)) {
      this.#since = now
      this.#patienceMs = this.#baseMs
    }
    this.#lastAt = now
    if (now - this.#since < this.#patienceMs) return false
    this.#since = now
    this.#patienceMs = Math.min(2 * this.#patienceMs, Math.max(MAX_PATIENCE_MS, this.#baseMs))
    return true
  }
}
