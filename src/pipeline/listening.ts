import type { HealthListener, PartHealth, Sink } from '../types.js'
import { quietly } from '../waiting.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { State } from './state.js'

interface Telling {
  health?(): PartHealth
  onHealth?(listener: HealthListener): () => void
}

/** What source and sinks say about themselves, brought to the state and to the flow. */
export class Listening<E, M> {
  readonly #parts: readonly (readonly [Telling, HealthListener])[]
  readonly #unsubscribe: (() => void)[] = []

  constructor({ source, sink, deadLetter }: ResolvedOptions<E, M>, state: State, flow: () => Flow<E, M>) {
    const tell = (by: 'source' | 'sink' | 'dead-letter'): HealthListener => {
      return health => state.setHealth(by, health)
    }
    const toSink: HealthListener = health => {
      tell('sink')(health)
      flow().setSinkOk(health.ok) // that of dead letters holds nobody up but the events that wait for it
    }
    const letters: Sink<M> | undefined = deadLetter?.sink === sink ? undefined : deadLetter?.sink
    this.#parts = [
      [source, tell('source')],
      [sink, toSink],
      ...(letters ? [[letters, tell('dead-letter')] as const] : []),
    ]
  }

  begin(): void {
    for (const [part, listener] of this.#parts) {
      const end = part.onHealth?.(listener)
      if (end) this.#unsubscribe.push(end)
    }
  }

  /** Asks once, for what was so before we listened. */
  ask(): void {
    for (const [part, listener] of this.#parts) if (part.onHealth && part.health) listener(part.health())
  }

  end(): void {
    for (const unsubscribe of this.#unsubscribe) void quietly(unsubscribe)
  }
}
