import { type Db, type MongoClient, MongoClient as MongoClientClass } from 'mongodb'
import type { ChangeStreamSource } from '../../../src/source/change-stream-source.js'
import type { Position, SourceRecord } from '../../../src/types.js'

let counter = 0

/** A client and a database of its own for a test, both gone afterwards. */
export async function withDatabase<T>(uri: string, use: (db: Db, client: MongoClient) => Promise<T>): Promise<T> {
  const client = await connect(uri)
  const db = client.db(`t${process.pid}_${Date.now()}_${counter++}`)
  try {
    return await use(db, client)
  } finally {
    await db.dropDatabase()
    await client.close()
  }
}

export async function connect(uri: string): Promise<MongoClient> {
  return await new MongoClientClass(uri, {
    appName: `test-${process.pid}-${counter++}`, // a fail point can be meant for this client alone
    serverSelectionTimeoutMS: 3_000,
    connectTimeoutMS: 2_000,
    heartbeatFrequencyMS: 1_000,
  }).connect()
}

export type AnyRecord = SourceRecord<Record<string, unknown>>

/** What a source gives, taken step by step; everything is let go at the end. */
export class Reading {
  readonly records: AnyRecord[] = []
  readonly #abort = new AbortController()
  readonly #iterator: AsyncIterator<readonly AnyRecord[]>

  constructor(
    readonly source: ChangeStreamSource,
    after?: Position,
  ) {
    const options = { signal: this.#abort.signal, ...(after && { after }) }
    this.#iterator = (source.open(options) as unknown as AsyncIterable<readonly AnyRecord[]>)[Symbol.asyncIterator]()
  }

  /** Resolves when the stream stands. */
  async stands(): Promise<this> {
    await this.#pull()
    return this
  }

  /** Pulls until there are `count` events, and returns all events so far. */
  async events(count: number): Promise<AnyRecord[]> {
    return await this.until(() => this.#events().length >= count, `${count} events`)
  }

  /** Pulls until the condition holds, and returns all events so far. */
  async until(done: () => boolean, what: string, ms = 60_000): Promise<AnyRecord[]> {
    const end = Date.now() + ms
    while (!done()) {
      if (Date.now() > end) throw new Error(`Expected ${what}, got ${JSON.stringify(this.#events().map(brief))}`)
      if (!(await this.#pull())) throw new Error(`Expected ${what}, but the stream ended`)
    }
    return this.#events()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#iterator.return?.()
    await this.source.close()
  }

  async #pull(): Promise<boolean> {
    const { done, value } = await this.#iterator.next()
    if (done) return false
    this.records.push(...value)
    return true
  }

  #events(): AnyRecord[] {
    return this.records.filter(record => record.event !== undefined)
  }
}

/** Opens a source, runs `use` with the stream standing, lets everything go. */
export async function reading<T>(
  source: ChangeStreamSource,
  use: (reading: Reading) => Promise<T>,
  after?: Position,
): Promise<T> {
  const stream = new Reading(source, after)
  try {
    await stream.stands()
    return await use(stream)
  } finally {
    await stream.stop()
  }
}

/** The event of a record that must have one. */
export function eventOf(record: AnyRecord | undefined): Record<string, unknown> {
  if (record?.event === undefined) throw new Error('Expected a record with an event')
  return record.event
}

export function operations(records: readonly AnyRecord[]): unknown[] {
  return records.map(record => record.event?.operationType)
}

function brief(record: AnyRecord): unknown {
  return [record.event?.operationType, record.key]
}

/** Cursors that a client has left open on a database. */
export async function cursorsOf(client: MongoClient, database: string): Promise<number> {
  const operations = client.db('admin').aggregate([{ $currentOp: { allUsers: true, idleCursors: true } }])
  return (await operations.toArray()).filter(({ ns, cursor }) => cursor && String(ns).startsWith(`${database}.`)).length
}
