/** When too many events fail to go on disposing of them one by one. */
export interface CircuitBreakerOptions {
  /** So many failed events among the last `of` stop the pipeline; from 1 to `of`. */
  readonly failures: number
  /** How many settled events are looked at; from 1 to 1,000,000. */
  readonly of: number
}

/** Counts failures among the last events. An event that is fine costs one addition. Once open it stays open. */
export class Circuit {
  readonly #options: CircuitBreakerOptions
  /** The places of the failures that still count, oldest first; at most `failures` of them. */
  #failed: number[] = []
  #count = 0
  #open = false

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
  }

  /** An event was published or filtered. */
  passed(): void {
    this.#count += 1
  }

  /** An event failed for good; whether that is one too many. */
  failed(): boolean {
    const { failures, of } = this.#options
    this.#count += 1
    this.#failed.push(this.#count)
    this.#failed = this.#failed.filter(place => place > this.#count - of)
    this.#open ||= this.#failed.length >= failures
    return this.#open
  }
}
