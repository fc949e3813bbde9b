import { emitSafely } from './events.js'
import type { HealthListener, PartHealth } from './types.js'

/** Holds the present health of a part and tells its changes. */
export class HealthBoard {
  readonly #listeners = new Set<HealthListener>()
  #health: PartHealth

  constructor(reason: string) {
    this.#health = { ok: false, reason, since: Date.now() }
  }

  get current(): PartHealth {
    return this.#health
  }

  /** Notes the present state; the same state again keeps its `since` and is told only if its error is another one. */
  set(reason: string | undefined, error?: string): void {
    const { reason: before, ok, error: errorBefore, since } = this.#health
    const same = before === reason && ok === (reason === undefined)
    if (same && errorBefore === error) return
    this.#health = {
      ok: reason === undefined,
      ...(reason !== undefined && { reason }),
      since: same ? since : Date.now(),
      ...(error !== undefined && { error }),
    }
    const health = this.#health
    // Listeners are user code, and this is also called in amqplib's callbacks, where a throw would end the connection.
    queueMicrotask(() => {
      for (const listener of this.#listeners)
        emitSafely((_: string, payload: PartHealth) => listener(payload), '', health)
    })
  }

  listen(listener: HealthListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
