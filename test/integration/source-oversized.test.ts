import { inspect } from 'node:util'
import { type Db, Int32, type MongoClient, type Timestamp } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { documentImageOf } from '../../src/document-image.js'
import type { SourceEvents } from '../../src/events.js'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../src/source/source-options.js'
import { type AnyRecord, connect, cursorsOf, eventOf, Reading, reading, withDatabase } from './support/mongo.js'
import { now, truth } from './support/truth.js'

const readers = ['command', 'driver'] as const

// A server of this file alone: fail points are the server's, and another file sets them too.
let mongo: MongoService
let uri: string

beforeAll(async () => {
  mongo = await startMongo()
  uri = mongo.uri
})

afterAll(() => mongo?.stop())

type Given = Partial<ChangeStreamSourceOptions>
type Told = Parameters<SourceEvents['oversized']>[0]

interface Item {
  _id: string
  v?: string
  n?: number
  card?: string
}

const IMAGES = { changeStreamPreAndPostImages: { enabled: true } }
const BOTH = { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable' } as const
const megabytes = (count: number, letter = 'x'): string => letter.repeat(count * 2 ** 20)

function sourceOf(db: Db, client: MongoClient, options: Given): ChangeStreamSource {
  return new ChangeStreamSource({ client, database: db.databaseName, maxAwaitTimeMS: 100, ...options })
}

/** What was told of events that were too large, as it is told. */
function toldBy(source: ChangeStreamSource): Told[] {
  const told: Told[] = []
  source.on('oversized', one => told.push(one))
  return told
}

/** Small changes around five that are too large with their images, three of them in a row; the document is gone then. */
async function oversizedHistory(db: Db, from: Timestamp): Promise<string[]> {
  const items = await db.createCollection<Item>('items', IMAGES)
  await items.insertMany([{ _id: 'a' }, { _id: 'b' }])
  await items.insertOne({ _id: 'large', v: megabytes(10) })
  await items.updateOne({ _id: 'a' }, { $set: { n: 1 } })
  await items.updateOne({ _id: 'large' }, { $set: { v: megabytes(10, 'y') } })
  await items.updateOne({ _id: 'a' }, { $set: { n: 2 } })
  await items.updateOne({ _id: 'large' }, { $set: { n: 1 } })
  await items.updateOne({ _id: 'large' }, { $set: { n: 2 } })
  await items.updateOne({ _id: 'large' }, { $set: { n: 3 } })
  await items.updateOne({ _id: 'b' }, { $set: { n: 3 } })
  await items.replaceOne({ _id: 'large' }, { v: megabytes(10, 'z') })
  await items.deleteOne({ _id: 'large' })
  await items.deleteOne({ _id: 'a' })
  const keyOnly = [{ $project: { fullDocument: 0, updateDescription: 0 } }]
  const all = await truth(db.client, { database: db.databaseName, pipeline: keyOnly }, from)
  return all.map(({ token }) => token)
}

const OVERSIZED = [4, 6, 7, 8, 10]

/** One update that is too large with its images, between two inserts. */
async function oneLarge(db: Db, client: MongoClient): Promise<Given> {
  const items = await db.createCollection<Item>('items', IMAGES)
  const startAtOperationTime = await now(client)
  await items.insertOne({ _id: 'large', v: megabytes(8.5) })
  await items.updateOne({ _id: 'large' }, { $set: { n: 1 } })
  await items.insertOne({ _id: 'b' })
  return { ...BOTH, startAtOperationTime }
}

const ids = (records: readonly AnyRecord[]): unknown[] => records.map(({ id }) => id)

describe.each(readers)('with the %s reader', reader => {
  it('every change around those that are too large arrives once, in order, and so do they, from any position on', () =>
    withDatabase(uri, async (db, client) => {
      const startAtOperationTime = await now(client)
      const tokens = await oversizedHistory(db, startAtOperationTime)
      const source = sourceOf(db, client, { ...BOTH, startAtOperationTime, reader })
      const told = toldBy(source)
      const records = await reading(source, stream => stream.events(tokens.length))
      expect(ids(records)).toEqual(tokens)
      const cut = OVERSIZED.map(place => records[place])
      expect(told).toEqual(
        cut.map(record => ({ clusterTime: record?.position.clusterTime, id: record?.id, outcome: 'key-only' })),
      )
      for (const record of cut) {
        const event = eventOf(record)
        expect(event).toMatchObject({ documentKey: { _id: 'large' }, ns: { coll: 'items' } })
        expect(Object.keys(event)).not.toContain('fullDocument')
        expect(record).toMatchObject({ key: records[2]?.key, time: expect.any(Number) })
      }
      expect(records.map(({ event }) => documentImageOf(event) === 'oversized')).toEqual(
        tokens.map((_, place) => OVERSIZED.includes(place)),
      )
      expect(eventOf(records[5]).fullDocument).toEqual({ _id: 'a', n: 2 })
      for (let place = 3; place < 10; place++) {
        const again = sourceOf(db, client, { ...BOTH, reader })
        const some = await reading(again, stream => stream.events(2), records[place]?.position)
        expect(ids(some).slice(0, 2)).toEqual(tokens.slice(place + 1, place + 3))
      }
    }))

  it('a large update that is looked up carries the present document', () =>
    withDatabase(uri, async (db, client) => {
      const items = db.collection<Item>('items')
      const source = sourceOf(db, client, { reader, fullDocument: 'updateLookup' })
      const told = toldBy(source)
      await reading(source, async stream => {
        await items.insertOne({ _id: 'large' })
        await items.updateOne({ _id: 'large' }, { $set: { v: megabytes(9) } })
        await items.updateOne({ _id: 'large' }, { $set: { n: 1 } })
        const [, large, small] = await stream.events(3)
        expect(documentImageOf(large?.event)).toBe('re-read')
        expect(Object.keys(eventOf(large))).not.toContain('updateDescription')
        const document = eventOf(large).fullDocument as Item
        expect([document._id, document.v?.length]).toEqual(['large', 9 * 2 ** 20])
        expect(large?.size).toBeGreaterThan(9 * 2 ** 20)
        expect(documentImageOf(small?.event)).toBe('looked-up')
        expect(told.map(({ outcome }) => outcome)).toEqual(['reread'])
      })
    }))

  it('nothing is lost when the connection breaks at any step', () =>
    withDatabase(uri, async (db, client) => {
      const from = await oneLarge(db, client)
      // Of the stream, of the document, of the stream again; more reads than these may follow.
      expect(await breakAtEach('aggregate')).toBeGreaterThanOrEqual(5)
      const getMores = await breakAtEach('getMore') // the driver resumes by itself, and then meets the large event again
      expect(getMores).toBeGreaterThanOrEqual(reader === 'command' ? 2 : 0)

      /** Breaks at the first command, at the second, and so on, until there are no more; how many there were. */
      async function breakAtEach(command: string): Promise<number> {
        for (let skip = 0; ; skip++) {
          const { records, retries } = await withBreaks(command, skip)
          expect(records.map(({ event }) => [event?.operationType, documentImageOf(event)])).toEqual([
            ['insert', undefined],
            ['update', 're-read'],
            ['insert', undefined],
          ])
          if (retries === 0) return skip
        }
      }

      async function withBreaks(command: string, skip: number): Promise<{ records: AnyRecord[]; retries: number }> {
        const other = await connect(uri)
        const source = sourceOf(db, other, { ...from, reader, retry: { minDelayMs: 1 } })
        let retries = 0
        let healed = Promise.resolve<unknown>(undefined)
        source.on('retry', () => {
          retries += 1
          healed = failPoint('off')
        })
        const failPoint = (mode: unknown): Promise<unknown> =>
          client.db('admin').command({
            configureFailPoint: 'failCommand',
            mode,
            data: { failCommands: [command], closeConnection: true, appName: other.options.appName },
          })
        await failPoint({ skip })
        try {
          return { records: await reading(source, stream => stream.events(3)), retries }
        } finally {
          await healed
          await failPoint('off')
          await other.close()
        }
      }
    }))

  it.each([1, 2, 3])('an abort when it stands for the time %i ends the stream and leaves no cursor behind', step =>
    withDatabase(uri, async (db, client) => {
      const stream = new Reading(sourceOf(db, client, { ...(await oneLarge(db, client)), reader }))
      let opened = 0
      stream.source.on('opened', () => {
        opened += 1
        if (opened === step) void stream.stop()
      })
      await expect(stream.events(4)).rejects.toThrow('but the stream ended')
      await expect.poll(() => cursorsOf(client, db.databaseName), { timeout: 5_000 }).toBe(0)
    }),
  )
})

it('a stage that needs the whole event stops the stream before it, and tells why', () =>
  withDatabase(uri, async (db, client) => {
    const pipeline = [{ $match: { $expr: { $gt: [{ $bsonSize: '$$ROOT' }, 0] } } }]
    const stream = new Reading(sourceOf(db, client, { ...(await oneLarge(db, client)), pipeline }))
    const error: unknown = await stream.events(2).catch((thrown: unknown) => thrown)
    await stream.stop()
    expect(error).toMatchObject({ code: 'CDC_EVENT_TOO_LARGE', hint: expect.stringContaining('`pipeline`') })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/xxx|82[0-9A-F]{16}|signature|lsid/)
    expect(stream.records.filter(({ event }) => event).map(({ event }) => event?.operationType)).toEqual(['insert'])
  }))

describe('what is told of a document that is read anew', () => {
  /** The event of a document of 9 MB that is made larger than 16 MB by its images. */
  async function largeUpdate(given: Given, change: (db: Db) => Promise<unknown> = async () => {}): Promise<AnyRecord> {
    return await withDatabase(uri, async (db, client) => {
      const items = await db.createCollection<Item>('items', IMAGES)
      await items.insertOne({ _id: 'large', v: megabytes(9), card: 'secret-card', n: 0 })
      const startAtOperationTime = await now(client)
      await items.updateOne({ _id: 'large' }, { $set: { n: 1 } })
      await change(db)
      await items.insertOne({ _id: 'b', n: 1 })
      const source = sourceOf(db, client, { ...BOTH, startAtOperationTime, ...given })
      const records = await reading(source, stream => stream.until(() => stream.records.some(isOfB), 'the last'))
      return records[0] as AnyRecord
    })
  }
  const isOfB = ({ event }: AnyRecord): boolean => (event?.documentKey as Item | undefined)?._id === 'b'
  const facts = ({ event }: AnyRecord): unknown => {
    const { v, ...rest } = (event?.fullDocument ?? {}) as Partial<Item>
    return [
      documentImageOf(event),
      event?.operationType,
      (event?.documentKey as Item | undefined)?._id,
      rest,
      v?.length,
    ]
  }
  const KEY = ['oversized', 'update', 'large', {}, undefined]

  it('is the document as it is now', async () => {
    const later = (db: Db) => db.collection<Item>('items').updateOne({ _id: 'large' }, { $set: { n: 2, v: 'short' } })
    const record = await largeUpdate({ oversized: 'reread' }, later)
    expect(facts(record)).toEqual(['re-read', 'update', 'large', { _id: 'large', card: 'secret-card', n: 2 }, 5])
  })
  it('keeps its types where the source keeps them', async () => {
    const record = await largeUpdate({ promoteValues: false })
    expect((eventOf(record).fullDocument as Item).n).toEqual(new Int32(1))
  })
  it('is nothing where the document is gone', async () => {
    const gone = (db: Db) => db.collection<Item>('items').deleteOne({ _id: 'large' })
    expect(facts(await largeUpdate({ oversized: 'reread' }, gone))).toEqual(KEY)
  })
  it('is nothing where nothing is to be read', async () => {
    expect(facts(await largeUpdate({ oversized: 'key-only' }))).toEqual(KEY)
  })
  it('has passed the stages of the source: what they hide stays hidden', async () => {
    const pipeline = [{ $unset: ['fullDocument.card'] }, { $match: { 'fullDocument.n': 1 } }]
    expect(facts(await largeUpdate({ pipeline }))).toEqual([
      're-read',
      'update',
      'large',
      { _id: 'large', n: 1 },
      9 * 2 ** 20,
    ])
  })
  it('is nothing where a filter would not let the present document through', async () => {
    const later = (db: Db) => db.collection<Item>('items').updateOne({ _id: 'large' }, { $set: { n: 2 } })
    const pipeline = [{ $match: { 'fullDocument.n': 1 } }]
    expect(facts(await largeUpdate({ pipeline }, later))).toEqual(KEY)
  })
  it('is nothing where a stage changes the key', async () => {
    const pipeline = [{ $set: { 'documentKey.x': 1 } }]
    expect(facts(await largeUpdate({ pipeline }))).toEqual(KEY)
  })
  it('comes also where a stage puts what is large elsewhere', async () => {
    const pipeline = [{ $set: { copy: '$fullDocument', before: '$fullDocumentBeforeChange' } }]
    const record = await largeUpdate({ pipeline })
    expect(documentImageOf(record.event)).toBe('re-read')
    expect(Object.keys(eventOf(record))).not.toContain('copy')
  })
})
