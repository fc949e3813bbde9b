import type { Collection, Db } from 'mongodb'
import { settledWithin, sleep } from '../../src/waiting.js'
import { poisonKinds } from '../integration/support/poison.js'
import type { Acknowledged } from './history.js'
import { COLLECTIONS } from './place.js'
import { type Random, randomOf } from './random.js'
import type { World } from './world.js'

interface Row {
  _id: number
  n: string
}

/** Three writers in this process, which go on through every outage; and what faults ask of them at their moment. */
export interface Writers {
  /** Everything that MongoDB has acknowledged with majority. */
  readonly acknowledged: readonly Acknowledged[]
  /** So many writes in one transaction. */
  transaction(writes: number): Promise<void>
  /** So many writes as fast as it goes. */
  burst(writes: number): Promise<void>
  /** An event of each kind that fails for good. */
  poison(): Promise<void>
  /** Resolves when the last write is through. */
  stop(): Promise<void>
}

const DOCUMENTS = 25
const WRITERS = 3

export function startWriters({ admin }: World, database: string, seed: number, perSecond: number): Writers {
  const db = admin.db(database, { writeConcern: { w: 'majority', wtimeoutMS: 8_000 } })
  const random = randomOf(seed, 'asked')
  const acknowledged: Acknowledged[] = []
  const end = new AbortController()
  const { signal } = end
  let asked = 0

  /** A write that fails may have been made all the same: it is allowed in the truth, or not. */
  async function attempt(write: () => Promise<Acknowledged[]>): Promise<void> {
    try {
      acknowledged.push(...(await write()))
    } catch {
      await sleep(100, signal).catch(() => {})
    }
  }

  async function loop(writer: number): Promise<void> {
    const own = randomOf(seed, 'writer', writer)
    for (let i = 0; !signal.aborted; i++) {
      const mark = `w${writer}-${i}`
      await attempt(() => (own.chance(0.03) ? inTransaction(admin, db, own, mark, 6) : writeOne(db, own, mark)))
      // The pace of the writers is the load: nothing is waited for here.
      await sleep((WRITERS * 1_000) / perSecond, signal).catch(() => {})
    }
  }

  const running = Promise.all(Array.from({ length: WRITERS }, (_, i) => loop(i)))
  return {
    acknowledged,
    transaction: writes => attempt(() => inTransaction(admin, db, random, `t${asked++}`, writes)),
    async burst(writes) {
      for (let left = writes; left > 0; left -= 250) {
        const mark = `b${asked++}`
        await attempt(() => inBulk(db, random, mark, Math.min(250, left)))
      }
    },
    async poison() {
      for (const poison of Object.keys(poisonKinds)) {
        const mark = `p${asked++}`
        const { rows, _id } = place(db, random)
        await attempt(() => replaceOne(rows, _id, mark, { poison }))
        // Otherwise every later event that carries the document fails, too.
        await attempt(() => replaceOne(rows, _id, `${mark}-mended`, {}))
      }
    },
    async stop() {
      end.abort()
      await settledWithin(running, 30_000)
    },
  }
}

function place(db: Db, random: Random): { rows: Collection<Row>; name: string; _id: number } {
  const name = random.pick(COLLECTIONS)
  return { rows: db.collection<Row>(name), name, _id: random.between(1, DOCUMENTS) }
}

/** Mostly small, at times as large as many together. */
function textOf(random: Random): string {
  return 'x'.repeat(random.chance(0.01) ? random.between(10_000, 50_000) : random.between(0, 800))
}

async function writeOne(db: Db, random: Random, mark: string): Promise<Acknowledged[]> {
  const { rows, name, _id } = place(db, random)
  const text = textOf(random)
  const kind = random.next()
  if (kind < 0.1) {
    const { deletedCount } = await rows.deleteOne({ _id })
    return deletedCount === 0 ? [] : [{ mark: deletedMark(db.databaseName, name, _id), count: 1 }]
  }
  if (kind < 0.25) return await replaceOne(rows, _id, mark, { text })
  const change = { $set: { n: mark, text, [`f${random.between(0, 5)}`]: random.between(0, 1e6) } }
  await rows.updateOne({ _id }, change, { upsert: true })
  return [{ mark, count: 1 }]
}

async function replaceOne(rows: Collection<Row>, _id: number, mark: string, fields: object): Promise<Acknowledged[]> {
  await rows.replaceOne({ _id }, { n: mark, ...fields }, { upsert: true })
  return [{ mark, count: 1 }]
}

async function inTransaction(
  client: World['admin'],
  db: Db,
  random: Random,
  mark: string,
  writes: number,
): Promise<Acknowledged[]> {
  const session = client.startSession()
  try {
    session.startTransaction({ writeConcern: { w: 'majority' } })
    const { length } = COLLECTIONS
    const each = Math.ceil(writes / length)
    // A long one would lose every conflict with single writes.
    const first = each > DOCUMENTS ? 1_000 : 1
    for (const name of random.shuffled(COLLECTIONS)) {
      const rows = db.collection<Row>(name)
      const operations = Array.from({ length: each }, (_, i) => upsert(first + (i % DOCUMENTS), `${mark}-${name}-${i}`))
      await rows.bulkWrite(operations, { session })
    }
    await session.commitTransaction()
    return COLLECTIONS.flatMap(name =>
      Array.from({ length: each }, (_, i) => ({ mark: `${mark}-${name}-${i}`, count: 1 })),
    )
  } finally {
    await session.endSession()
  }
}

async function inBulk(db: Db, random: Random, mark: string, writes: number): Promise<Acknowledged[]> {
  const { rows } = place(db, random)
  const operations = Array.from({ length: writes }, (_, i) => upsert(random.between(1, DOCUMENTS), `${mark}-${i}`))
  await rows.bulkWrite(operations, { ordered: true })
  return operations.map((_, i) => ({ mark: `${mark}-${i}`, count: 1 }))
}

function upsert(_id: number, n: string) {
  return { updateOne: { filter: { _id }, update: { $set: { n } }, upsert: true } }
}

/** How a delete is told from others of its document: not at all, so they are counted. */
export function deletedMark(database: string, collection: string, _id: unknown): string {
  return `deleted ${database}.${collection}/${_id}`
}
