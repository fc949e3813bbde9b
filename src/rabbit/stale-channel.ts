/** How long at most, in milliseconds. */
const MAX_MS = 5000

/**
 * Whether the channel is about to be replaced: nothing more goes over it, until all that it has carried is answered. For
 * a while only: another queue may keep its confirms back, and all others would wait for that one.
 */
export class StaleChannel {
  readonly #onOver: () => void
  #timer: NodeJS.Timeout | undefined

  /** `onOver` is called when it took too long. */
  constructor(onOver: () => void) {
    this.#onOver = onOver
  }

  get stale(): boolean {
    return this.#timer !== undefined
  }

  begin(): void {
    this.end()
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#onOver()
    }, MAX_MS)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
