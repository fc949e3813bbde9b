import type {
  Checkpoint,
  CheckpointStore,
  Delivery,
  Sink,
  Source,
  SourceRecord,
  Transform,
} from '../../../../src/types.js'
import { tick } from './random.js'
import { barrier, heartbeat, record, type TestEvent } from './records.js'

/** A message of event `n`. */
export interface TestMessage {
  readonly n: number
  /** -1: the dead letter. */
  readonly index: number
}

export interface WorldOptions {
  readonly random: () => number
  readonly events: number
  readonly keys: number
  /** Share of publishes that are nacked, and of those that fail in passing. */
  readonly nack: number
  readonly flaky: number
  /** Whether transforms throw for some events, and the sink refuses the messages of others for good. */
  readonly poison?: boolean
}

/**
 * What outlives a process: the stream, the broker, the stored checkpoint; and all that is to be checked about them.
 * Each process gets its own parts; after `crash()` those of the process before do nothing any more.
 */
export class World {
  readonly log: SourceRecord<TestEvent>[] = []
  readonly arrivals: (TestMessage & { readonly id: string })[] = []
  readonly acked = new Set<string>()
  /** What must never happen, in words; a store that threw would only be asked again. */
  readonly violations: string[] = []
  stored: Checkpoint | undefined
  readonly #options: WorldOptions
  #process = 0

  constructor(options: WorldOptions) {
    this.#options = options
    for (let n = 1; n <= options.events; n += 1) this.log.push(this.#record(n))
  }

  crash(): void {
    this.#process += 1
  }

  /** Where event `n` fails for good. */
  poisoned(n: number): 'transform' | 'publish' | undefined {
    if (!this.#options.poison || n % 7 === 0) return undefined
    return n % 5 === 1 ? 'transform' : n % 5 === 2 ? 'publish' : undefined
  }

  /** What has to arrive of event `n`: filtered, one message, two, or a dead letter. */
  expected(n: number): readonly TestMessage[] {
    const { event } = this.log[n - 1]!
    if (!event || n % 7 === 0) return []
    if (this.poisoned(n)) return [{ n, index: -1 }]
    return n % 5 === 0 ? [0, 1].map(index => ({ n, index })) : [{ n, index: 0 }]
  }

  get allExpected(): readonly TestMessage[] {
    return this.log.flatMap((_, i) => this.expected(i + 1))
  }

  source(): Source<TestEvent> {
    const { log } = this
    const random = this.#options.random
    return {
      async *open({ after, signal }) {
        let next = after?.clusterTime.t ?? 0
        yield []
        while (!signal.aborted) {
          await tick()
          const batch = log.slice(next, next + Math.floor(random() * 12))
          next += batch.length
          if (!signal.aborted) yield batch
        }
      },
    }
  }

  transform(): Transform<TestEvent, TestMessage> {
    const random = this.#options.random
    return event => {
      const messages = this.expected(event.n)
      if (this.poisoned(event.n) === 'transform') throw new Error('poison')
      if (this.poisoned(event.n) === 'publish') return { n: event.n, index: 0 }
      const output = messages.length === 0 ? null : messages.length === 1 ? messages[0]! : messages
      return random() < 0.5 ? output : wait(random).then(() => output)
    }
  }

  sink(): Sink<TestMessage> {
    const { random, nack, flaky } = this.#options
    const process = this.#process
    return {
      publish: async (message, delivery) => {
        if (process !== this.#process) return new Promise(() => {})
        if (message.index === 0 && this.poisoned(message.n)) {
          throw Object.assign(new Error('poison'), { reason: 'invalid', retryable: false })
        }
        const fate = random()
        if (fate >= nack + flaky) this.#arrive(message, delivery)
        await wait(random)
        if (process !== this.#process) return new Promise(() => {})
        if (fate < nack) throw Object.assign(new Error('nacked'), { reason: 'nack' })
        if (fate < nack + flaky) throw new Error('passing')
        this.acked.add(`${message.n}/${message.index}`)
      },
      close: async () => {},
      sizeOf: () => 20,
    }
  }

  store(): CheckpointStore {
    const { random } = this.#options
    const process = this.#process
    return {
      load: async () => this.stored,
      save: async checkpoint => {
        await wait(random)
        if (process !== this.#process) return
        if (random() < 0.2) throw new Error('store away')
        this.#checkSave(checkpoint.position.clusterTime.t)
        this.stored = checkpoint
      },
    }
  }

  #record(n: number): SourceRecord<TestEvent> {
    const { random, keys } = this.#options
    const kind = random()
    if (kind < 0.1) return heartbeat(n)
    return kind < 0.14 ? barrier(n) : record(n, `k${Math.floor(random() * keys)}`)
  }

  #arrive(message: TestMessage, delivery: Delivery | undefined): void {
    this.arrivals.push({ n: message.n, index: message.index, id: delivery?.id ?? '' })
  }

  /** A saved position is newer than the one before, and everything up to it is confirmed. */
  #checkSave(t: number): void {
    const before = this.stored?.position.clusterTime.t ?? 0
    if (t <= before) this.violations.push(`saved ${t} after ${before}`)
    for (let n = 1; n <= t; n += 1) {
      for (const { index } of this.expected(n)) {
        if (!this.acked.has(`${n}/${index}`)) this.violations.push(`saved ${t} while ${n}/${index} was not confirmed`)
      }
    }
  }
}

async function wait(random: () => number): Promise<void> {
  for (let ticks = Math.floor(random() * 4); ticks > 0; ticks -= 1) await tick()
}
