/** About how many bytes a batch is to have: more gains nothing, and two batches are in memory. */
const BATCH_BYTES = 2 * 1024 * 1024
/** The server's own default: of the first batch nobody knows how large its events are. */
const FIRST_EVENTS = 101

/** How many events to ask for: as many as are wanted at most, and fewer where they are large. */
export class BatchSize {
  readonly #atMost: number
  #next: number

  constructor(atMost: number) {
    this.#atMost = atMost
    this.#next = Math.min(atMost, FIRST_EVENTS)
  }

  /** For the next batch, at least 1. */
  get next(): number {
    return this.#next
  }

  /** A batch had events of these sizes, in bytes. */
  seen(events: readonly { readonly length: number }[]): void {
    if (events.length === 0) return
    let bytes = 0
    for (const { length } of events) bytes += length
    const fitting = Math.floor((BATCH_BYTES * events.length) / bytes)
    this.#next = Math.max(1, Math.min(this.#atMost, fitting))
  }
}
