/** What became of a record: taken, not taken, or taken by nobody because no queue is bound. */
export type BrokerAnswer<Return> =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nack' }
  | { readonly kind: 'returned'; readonly info: Return }

const ACK = { kind: 'ack' } as const
const NACK = { kind: 'nack' } as const

/**
 * Which messages the broker has not yet given its word on: delivery tag → record, for one channel at a time.
 * RabbitMQ counts 1, 2, 3… per channel, confirms out of order, and takes many tags together (`multiple`); see
 * https://www.rabbitmq.com/docs/confirms. Tags mean nothing on another channel: each has a generation, and frames of
 * an older one are dropped.
 */
export class ConfirmTable<Row extends object, Return> {
  readonly #settle: (row: Row, outcome: BrokerAnswer<Return>) => void
  /** Slot `i` holds the tag `#base + i`; what is settled becomes `undefined`. */
  #slots: (Row | undefined)[] = []
  #head = 0
  #base = 1
  #size = 0
  #generation = 0
  #returned = new Map<number, Return>()
  #returnCursor = 0

  /** `settle` is called once per record, in the order of their tags within a frame. */
  constructor(settle: (row: Row, outcome: BrokerAnswer<Return>) => void) {
    this.#settle = settle
  }

  /** Records without a word. */
  get size(): number {
    return this.#size
  }

  /** The tag that the next record gets. */
  get nextTag(): number {
    return this.#base + this.#slots.length
  }

  /** Starts with tag 1 on a new channel and returns its generation. The table has to be empty. */
  begin(): number {
    if (this.#size > 0) throw new Error('Take the unconfirmed records before a new generation begins')
    this.#clear()
    this.#generation += 1
    return this.#generation
  }

  /** Notes a record that was written to the channel. */
  add(row: Row): void {
    this.#slots.push(row)
    this.#size += 1
  }

  /** An ack or a nack came, for one tag or for all up to it. Returns how many records it settled. */
  confirm(generation: number, tag: number, multiple: boolean, taken: boolean): number {
    if (generation !== this.#generation) return 0
    const before = this.#size
    // AMQP: tag 0 together with `multiple` means everything so far.
    const last = tag === 0 && multiple ? this.#slots.length - 1 : tag - this.#base
    // One pass over the slots of the frame, and none of them twice: settled ones before the head are skipped.
    for (let i = multiple ? this.#head : Math.max(last, this.#head); i <= last && i < this.#slots.length; i++) {
      this.#settleSlot(i, taken)
    }
    while (this.#head < this.#slots.length && this.#slots[this.#head] === undefined) this.#head += 1
    this.#compact()
    return before - this.#size
  }

  /**
   * A message came back. That frame has no tag, but it comes before its ack, and returns keep the order of publishing:
   * the record is the first after the last returned one that matches. A record that is the only one without a word is
   * the one that came back, also when it doesn't match. Its ack then settles it as returned.
   */
  markReturned(generation: number, info: Return, matches: (row: Row) => boolean): Row | undefined {
    if (generation !== this.#generation) return undefined
    const alone = this.#size === 1
    const first = alone ? this.#head : Math.max(this.#head, this.#returnCursor + 1 - this.#base)
    for (let i = first; i < this.#slots.length; i++) {
      const row = this.#slots[i]
      if (row === undefined || !(alone || matches(row))) continue
      this.#returnCursor = this.#base + i
      this.#returned.set(this.#returnCursor, info)
      return row
    }
    return undefined
  }

  /** The channel is gone: removes and returns everything without a word, in the order of publishing. */
  takeUnconfirmed(): Row[] {
    const rows = this.#slots.slice(this.#head).filter(row => row !== undefined)
    this.#clear()
    // From here on frames of that channel are late.
    this.#generation += 1
    return rows
  }

  #settleSlot(i: number, taken: boolean): void {
    const row = this.#slots[i]
    if (row === undefined) return
    this.#slots[i] = undefined
    this.#size -= 1
    const tag = this.#base + i
    const info = this.#returned.get(tag)
    if (info !== undefined) this.#returned.delete(tag)
    if (!taken) this.#settle(row, NACK)
    else this.#settle(row, info === undefined ? ACK : { kind: 'returned', info })
  }

  /** Drops settled slots; only when they are half of all, so that each record is moved a constant number of times. */
  #compact(): void {
    if (this.#head < 1_024 && this.#head < this.#slots.length) return
    if (this.#head * 2 < this.#slots.length) return
    this.#slots = this.#slots.slice(this.#head)
    this.#base += this.#head
    this.#head = 0
  }

  #clear(): void {
    this.#slots = []
    this.#head = 0
    this.#base = 1
    this.#size = 0
    this.#returned.clear()
    this.#returnCursor = 0
  }
}
