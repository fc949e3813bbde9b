import type { Checkpoint, CheckpointStore, RabbitMessage, Source, SourceRecord } from '../../../../../src/types.js'
import { deferred } from '../../../../../src/waiting.js'
import { type Change, messagesOf, sizeOf } from './change.js'
import { checkSave } from './invariants.js'
import type { Ledger } from './ledger.js'

/** The stream: what has been written to it, in batches, and how far the process of now has read. */
export class Stream {
  readonly #ledger: Ledger
  /** Where batches end. */
  readonly #ends: number[] = []
  /** What the process of now has been given. */
  handed = { events: 0, bytes: 0 }
  #cursor = 0
  #more = deferred<void>()
  #broken: Error | undefined

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  get cursor(): number {
    return this.#cursor
  }

  append(changes: readonly Change[]): void {
    for (const change of changes) this.#ledger.append(change)
    this.#ends.push(this.#ledger.stream.length)
    this.#more.resolve()
  }

  /** The source has lost its place and reads up to `n` records again. */
  repeat(n: number): boolean {
    const by = Math.min(n, this.#cursor)
    if (by === 0) return false
    this.#ledger.fellBack(this.#cursor, by)
    this.#cursor -= by
    this.#more.resolve()
    return true
  }

  /** The source gives up. */
  break(): boolean {
    this.#broken = new Error('the source can not go on')
    this.#more.resolve()
    return true
  }

  source(alive: () => boolean): Source<Change> {
    this.#broken = undefined
    this.handed = { events: 0, bytes: 0 }
    this.#more = deferred() // whoever waits for the one before is gone
    const read = (after: number, signal: AbortSignal): AsyncIterable<readonly SourceRecord<Change>[]> =>
      this.#read(after, signal, alive)
    return {
      startPosition: async () => ({ kind: 'time', clusterTime: { t: 0, i: 0 } }),
      open: ({ after, signal }) => read(after?.clusterTime.t ?? 0, signal),
    }
  }

  async *#read(
    after: number,
    signal: AbortSignal,
    alive: () => boolean,
  ): AsyncGenerator<readonly SourceRecord<Change>[]> {
    this.#cursor = after
    signal.addEventListener('abort', () => alive() && this.#more.resolve())
    yield []
    while (!signal.aborted) {
      const end = this.#ends.find(at => at > this.#cursor)
      if (this.#broken) throw this.#broken
      if (end === undefined) {
        this.#more = deferred()
        await this.#more.promise
        continue
      }
      const batch = this.#ledger.stream.slice(this.#cursor, end)
      this.#cursor = end
      this.#count(batch)
      yield batch.map(recordOf)
    }
  }

  #count(batch: readonly Change[]): void {
    for (const change of batch) {
      if (change.nature === 'mark') continue
      this.handed.events += 1
      this.handed.bytes += sizeOf(change)
    }
  }
}

function recordOf(change: Change): SourceRecord<Change> {
  const { n, name, key, nature } = change
  const clusterTime = { t: n, i: 0 }
  if (nature === 'mark') return { position: { kind: 'highWaterMark', clusterTime } }
  const record = {
    position: { kind: 'event', clusterTime } as const,
    id: name,
    event: change,
    size: sizeOf(change),
    time: n,
  }
  return key === undefined ? record : { ...record, key }
}

/** What a store does with a save, until it is told otherwise. */
export type StoreMood = 'well' | 'fails' | 'hangs' | 'saves and fails'

/** Where the checkpoint outlives processes. */
export class Store {
  mood: StoreMood = 'well'
  readonly #ledger: Ledger
  #checkpoint: Checkpoint | undefined
  /** Calls without an answer. */
  #waiting: { readonly land: () => void; readonly answer: () => void }[] = []

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  store(alive: () => boolean): CheckpointStore {
    let saving = false
    return {
      load: async () => {
        if (this.mood === 'hangs') await this.#wait(() => {})
        if (this.mood === 'fails') throw new Error('the store is away')
        return this.#checkpoint
      },
      save: async checkpoint => {
        if (!alive()) return new Promise(() => {})
        if (saving) this.#ledger.violations.push('I6: two saves at once, so that the older may come last')
        checkSave(this.#ledger, checkpoint.position)
        const { mood } = this
        if (mood === 'fails') throw new Error('the store is away')
        saving = true
        if (mood === 'hangs') await this.#wait(() => this.#land(checkpoint))
        else this.#land(checkpoint)
        saving = false
        if (mood === 'saves and fails') throw new Error('the answer of the store got lost')
      },
    }
  }

  becomes(mood: StoreMood): boolean {
    if (this.mood === mood) return false
    this.heal()
    this.mood = mood
    return true
  }

  /** Answers what waits. */
  heal(): boolean {
    if (this.mood === 'well') return false
    this.mood = 'well'
    for (const { land, answer } of this.#waiting.splice(0)) {
      land()
      answer()
    }
    return true
  }

  /** The process is gone; what it was saving arrives, or doesn't. */
  forget(lands: boolean): void {
    for (const { land } of this.#waiting.splice(0)) if (lands) land()
  }

  #wait(land: () => void): Promise<void> {
    const { promise, resolve } = deferred<void>()
    this.#waiting.push({ land, answer: () => resolve() })
    return promise
  }

  #land(checkpoint: Checkpoint): void {
    this.#checkpoint = checkpoint
    this.#ledger.stored = checkpoint.position
  }
}

/** Runs transforms, and holds the slow ones. */
export class Transforms {
  /** What was mended since it stopped a pipeline. */
  readonly mended = new Set<string>()
  #calls = new Map<string, number>()
  #slow: (() => void)[] = []

  readonly transform = (change: Change): RabbitMessage | RabbitMessage[] | null | Promise<RabbitMessage> => {
    const { name, nature } = change
    const messages = messagesOf(change).map(messageOf)
    if (messages.length === 0) return null
    const [first = messageOf('')] = messages
    if (this.mended.has(name)) return messages
    if (nature === 'throws') throw new Error('it throws')
    if (nature === 'hangs') return new Promise(() => {})
    if (nature === 'slow') return new Promise(resolve => this.#slow.push(() => resolve(first)))
    if (nature === 'invalid') return { ...first, routingKey: 'k'.repeat(256) }
    if (nature === 'flaky' && this.#call(name) !== 2) {
      throw Object.assign(new Error('it throws now and then'), { retryable: true })
    }
    return messages.length === 1 ? first : messages
  }

  finish(): boolean {
    const slow = this.#slow.splice(0)
    for (const finish of slow) finish()
    return slow.length > 0
  }

  forget(): void {
    this.#slow = []
    this.#calls = new Map()
  }

  #call(name: string): number {
    const calls = (this.#calls.get(name) ?? 0) + 1
    this.#calls.set(name, calls)
    return calls
  }
}

/** A message with this body. */
export function messageOf(body: string): RabbitMessage {
  return { body: Buffer.from(body), routingKey: 'key' }
}
