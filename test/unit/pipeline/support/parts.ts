import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import type {
  Checkpoint,
  CheckpointStore,
  Delivery,
  HealthListener,
  PartHealth,
  Sink,
  Source,
  SourceOpenOptions,
  SourceRecord,
} from '../../../../src/types.js'
import type { TestEvent } from './records.js'

/** A source that yields what the test gives it. */
export class ScriptedSource implements Source<TestEvent> {
  opened: SourceOpenOptions | undefined
  closed = 0
  pulls = 0
  readonly #batches: ((SourceRecord<TestEvent>[] | Error | 'end') | undefined)[] = []
  #more: (() => void) | undefined

  /** Yields a batch, throws an error, or ends, when the pipeline asks next. */
  give(...batches: (SourceRecord<TestEvent>[] | Error | 'end')[]): this {
    this.#batches.push(...batches)
    this.#more?.()
    return this
  }

  async *open(options: SourceOpenOptions): AsyncGenerator<SourceRecord<TestEvent>[]> {
    this.opened = options
    options.signal.addEventListener('abort', () => this.#more?.())
    while (!options.signal.aborted) {
      this.pulls += 1
      while (this.#batches.length === 0 && !options.signal.aborted) {
        await new Promise<void>(resolve => {
          this.#more = resolve
        })
      }
      const batch = this.#batches.shift()
      if (batch instanceof Error) throw batch
      if (batch === 'end') return
      if (batch) yield batch
    }
  }

  async close(): Promise<void> {
    this.closed += 1
  }
}

/** A message that waits for the test to answer. */
export interface Sent {
  readonly message: unknown
  readonly id: string
  ack(): Promise<void>
  refuse(error: unknown): Promise<void>
}

/** A sink that answers when the test says so, or by itself with `auto`. */
export class ScriptedSink implements Sink<unknown> {
  readonly sent: Sent[] = []
  closed: { readonly drainTimeoutMs?: number } | undefined
  auto: boolean
  readonly #listeners = new Set<HealthListener>()
  #health: PartHealth = { ok: true, since: 0 }

  constructor({ auto = false } = {}) {
    this.auto = auto
  }

  get messages(): unknown[] {
    return this.sent.map(sent => sent.message)
  }

  publish(message: unknown, delivery?: Delivery): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = delivery?.id ?? ''
      this.sent.push({
        message,
        id,
        ack: () => {
          resolve()
          return settle()
        },
        refuse: error => {
          reject(error)
          return settle()
        },
      })
      if (this.auto) resolve()
    })
  }

  async close(options?: { readonly drainTimeoutMs?: number }): Promise<void> {
    this.closed = options
  }

  health(): PartHealth {
    return this.#health
  }

  onHealth(listener: HealthListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  become(health: PartHealth): void {
    this.#health = health
    for (const listener of this.#listeners) listener(health)
  }
}

/** A store that remembers all saves, and fails as long as `error` is set. */
export class ScriptedStore implements CheckpointStore {
  readonly saves: Checkpoint[] = []
  readonly calls: string[] = []
  stored: Checkpoint | undefined
  error: unknown
  closed = 0

  get saved(): number[] {
    return this.saves.map(save => save.position.clusterTime.t)
  }

  async load(): Promise<Checkpoint | undefined> {
    this.calls.push('load')
    if (this.error !== undefined) throw this.error
    return this.stored
  }

  async save(checkpoint: Checkpoint): Promise<void> {
    this.calls.push('save')
    if (this.error !== undefined) throw this.error
    this.stored = checkpoint
    this.saves.push(checkpoint)
  }

  async close(): Promise<void> {
    this.closed += 1
  }
}

/** Lets everything run that is only waiting for promises, or for so many turns of the (real) event loop. */
export async function settle(turns = 1): Promise<void> {
  for (let turn = 0; turn <= turns; turn += 1) {
    for (let i = 0; i < 30; i += 1) await Promise.resolve()
    if (turn < turns) await turnOfTheLoop()
  }
}
