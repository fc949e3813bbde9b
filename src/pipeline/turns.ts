import { Fifo } from './fifo.js'

interface Turn<T> {
  readonly item: T
  state: 'waiting' | 'ready' | 'left'
}

const nothing: readonly never[] = []

/**
 * Keeps publishing in stream order while transforms overlap: who is ready waits until all before it went or left.
 * Used by `ordering: 'pipelined'` alone. Every operation is O(1), amortised.
 */
export class Turns<T> {
  readonly #turns = new Map<T, Turn<T>>()
  readonly #queue = new Fifo<Turn<T>>()
  #closed = false

  /** Gives the item its place; called in stream order. */
  enter(item: T): void {
    const turn: Turn<T> = { item, state: 'waiting' }
    this.#turns.set(item, turn)
    this.#queue.push(turn)
  }

  /** The item can be published; returns all whose turn has come, in order. */
  ready(item: T): readonly T[] {
    return this.#mark(item, 'ready')
  }

  /** Nothing is published for the item; returns all whose turn has come. No effect once its turn has come. */
  leave(item: T): readonly T[] {
    return this.#mark(item, 'left')
  }

  /** Nobody's turn comes any more: what follows an event that failed for good must not overtake it. */
  close(): void {
    this.#closed = true
  }

  #mark(item: T, state: 'ready' | 'left'): readonly T[] {
    const turn = this.#turns.get(item)
    if (!turn || this.#closed) return nothing
    turn.state = state
    const come: T[] = []
    for (let next = this.#queue.peek(); next && next.state !== 'waiting'; next = this.#queue.peek()) {
      this.#queue.shift()
      this.#turns.delete(next.item)
      if (next.state === 'ready') come.push(next.item)
    }
    return come
  }
}
