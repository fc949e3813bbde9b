import type { Position } from '../types.js'

/** How much may be in flight. */
export interface InFlightLimits {
  readonly maxEvents: number
  readonly maxBytes: number
}

/** The most that there was at once. */
export type Peaks = Pick<InFlight, 'peakCount' | 'peakBytes'>

/** An admitted event; only the span changes it. */
export interface InFlightEntry {
  /** When the change was made, in milliseconds since 1970. */
  readonly time: number
  /** The newest position that is reached once this entry and everything before it is settled. */
  reaches: Position
  bytes: number
  settled: boolean
  previous: InFlightEntry | undefined
  next: InFlightEntry | undefined
}

/**
 * The span in flight: every published event from the oldest unsettled one to the newest admitted, also when it is
 * already confirmed, because after a crash all of them come again. So the span bounds the memory and the duplicates.
 * Filtered events and heartbeats take no slot: their position merges into the entry before them.
 *
 * The list runs in stream order and its head is never settled: what is settled at the head falls off and moves the
 * settled position. Every operation is O(1), amortised.
 */
export class InFlight {
  readonly #limits: InFlightLimits
  #head: InFlightEntry | undefined
  #tail: InFlightEntry | undefined
  #count = 0
  #unsettled = 0
  #bytes = 0
  #peakCount: number
  #peakBytes: number
  #settledEvents = 0
  #settledPosition: Position | undefined

  /** `before` is the span whose place this one takes. */
  constructor(limits: InFlightLimits, before?: Peaks) {
    this.#limits = limits
    this.#peakCount = before?.peakCount ?? 0
    this.#peakBytes = before?.peakBytes ?? 0
  }

  /** Events in the span, confirmed ones behind an unsettled one included. */
  get count(): number {
    return this.#count
  }

  /** Events of the span that are not settled. */
  get unsettled(): number {
    return this.#unsettled
  }

  /** Bytes of the unsettled events. */
  get bytes(): number {
    return this.#bytes
  }

  get peakCount(): number {
    return this.#peakCount
  }

  get peakBytes(): number {
    return this.#peakBytes
  }

  /** How many events have left the span as settled since the beginning; filtered ones don't count. Never decreases. */
  get settledEvents(): number {
    return this.#settledEvents
  }

  /** The newest position with everything before it settled; never goes back. Absent until something has settled. */
  get settledPosition(): Position | undefined {
    return this.#settledPosition
  }

  /** Time of the oldest unsettled event, in milliseconds since 1970. */
  get oldestTime(): number | undefined {
    return this.#head?.time
  }

  /** Whether an event of this size may be admitted. One that is larger than the limit is admitted alone. */
  hasRoom(size: number): boolean {
    if (this.#count === 0) return true
    return this.#count < this.#limits.maxEvents && this.#bytes + size <= this.#limits.maxBytes
  }

  /** Whether an eighth is free again: a waiting reader is woken per portion, not per event. */
  hasSlack(): boolean {
    if (this.#count === 0) return true
    const { maxEvents, maxBytes } = this.#limits
    return this.#count <= maxEvents - Math.max(1, maxEvents >> 3) && this.#bytes <= maxBytes * 0.875
  }

  /** Takes in the next event of the stream; the caller has asked for room. */
  admit(position: Position, bytes: number, time: number): InFlightEntry {
    const previous = this.#tail
    const entry: InFlightEntry = { time, reaches: position, bytes, settled: false, previous, next: undefined }
    if (previous) previous.next = entry
    else this.#head = entry
    this.#tail = entry
    this.#count += 1
    this.#unsettled += 1
    this.#bytes += bytes
    if (this.#count > this.#peakCount) this.#peakCount = this.#count
    if (this.#bytes > this.#peakBytes) this.#peakBytes = this.#bytes
    return entry
  }

  /** Corrects the size once the messages are encoded. */
  resize(entry: InFlightEntry, bytes: number): void {
    if (entry.settled) return
    this.#bytes += bytes - entry.bytes
    entry.bytes = bytes
    if (this.#bytes > this.#peakBytes) this.#peakBytes = this.#bytes
  }

  /** All messages of the event are confirmed or disposed of. */
  settle(entry: InFlightEntry): void {
    if (!this.#release(entry)) return
    this.#advance()
  }

  /** Nothing is published for the event: its slot is free at once. */
  filter(entry: InFlightEntry): void {
    if (!this.#release(entry)) return
    if (entry.previous) entry.previous.reaches = entry.reaches
    else this.#settledPosition = entry.reaches
    this.#unlink(entry)
    this.#advance()
  }

  /** The position moved without an event. */
  heartbeat(position: Position): void {
    if (this.#tail) this.#tail.reaches = position
    else this.#settledPosition = position
  }

  #release(entry: InFlightEntry): boolean {
    if (entry.settled) return false
    entry.settled = true
    this.#unsettled -= 1
    this.#bytes -= entry.bytes
    return true
  }

  #advance(): void {
    for (let head = this.#head; head?.settled; head = this.#head) {
      this.#settledPosition = head.reaches
      this.#settledEvents += 1
      this.#unlink(head)
    }
  }

  #unlink(entry: InFlightEntry): void {
    if (entry.previous) entry.previous.next = entry.next
    else this.#head = entry.next
    if (entry.next) entry.next.previous = entry.previous
    else this.#tail = entry.previous
    entry.previous = undefined
    entry.next = undefined
    this.#count -= 1
  }
}
