import { Fifo } from './fifo.js'

/** What goes through the lanes. */
export interface LaneItem {
  /** Items with the same key wait for each other; without key the item is a barrier. */
  readonly key: string | undefined
}

const nothing: readonly never[] = []

/**
 * Who may start. Items of one key go strictly one after the other; a barrier starts when all before it finished, and
 * nothing after it starts until it finished. With `exclusive: false` items of one key don't wait, barriers still hold.
 *
 * Behind a barrier that has not finished everything waits in one queue, in stream order; only what entered before it is
 * in a lane. So each item is queued at most twice, and every operation is O(1), amortised.
 */
export class Lanes<T extends LaneItem> {
  readonly #exclusive: boolean
  /** Per key with an unfinished item: those that wait behind it, `null` while there are none. */
  readonly #lanes = new Map<string, Fifo<T> | null>()
  /** The first barrier that can't start yet, and all that came after it, or what came after a running barrier. */
  readonly #waiting = new Fifo<T>()
  #entered = 0
  #barrier = false

  constructor({ exclusive }: { readonly exclusive: boolean }) {
    this.#exclusive = exclusive
  }

  /** Takes the next item of the stream; returns those that may start now. */
  add(item: T): readonly T[] {
    // Most of the time nothing waits for a barrier.
    if (item.key !== undefined && !this.#barrier && this.#waiting.size === 0)
      return this.#enter(item) ? [item] : nothing
    this.#waiting.push(item)
    return this.#waiting.size === 1 ? this.#admit() : nothing
  }

  /** Tells that a started item finished; returns those that may start now. */
  finish(item: T): readonly T[] {
    this.#entered -= 1
    if (item.key === undefined) {
      this.#barrier = false
      return this.#admit()
    }
    const next = this.#exclusive ? this.#nextInLane(item.key) : undefined
    if (next !== undefined) return [next]
    return this.#entered === 0 ? this.#admit() : nothing
  }

  /** Lets in what waits, up to the next barrier that has to wait itself. */
  #admit(): readonly T[] {
    const started: T[] = []
    for (let item = this.#waiting.peek(); item !== undefined && !this.#barrier; item = this.#waiting.peek()) {
      if (item.key === undefined && this.#entered > 0) break
      this.#waiting.shift()
      if (this.#enter(item)) started.push(item)
    }
    return started
  }

  /** Whether the lane is free, so that the item may start. */
  #enter(item: T): boolean {
    const { key } = item
    this.#entered += 1
    this.#barrier = key === undefined
    if (key === undefined || !this.#exclusive) return true
    const lane = this.#lanes.get(key)
    if (lane) lane.push(item)
    else if (lane === null) {
      const queue = new Fifo<T>()
      queue.push(item)
      this.#lanes.set(key, queue)
    } else this.#lanes.set(key, null)
    return lane === undefined
  }

  #nextInLane(key: string): T | undefined {
    const next = this.#lanes.get(key)?.shift()
    if (next === undefined) this.#lanes.delete(key)
    return next
  }
}
