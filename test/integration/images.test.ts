import { gunzipSync } from 'node:zlib'
import { BSON, type ClientSession, Double } from 'mongodb'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { memoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.js'
import { documentImageOf } from '../../src/document-image.js'
import {
  bsonEncoder,
  type ChangeStreamSourceOptions,
  changeEventMessage,
  compress,
  debeziumMessage,
  map,
  pipe,
  type RabbitMessage,
  type Sink,
} from '../../src/index.js'
import { createCdcPipeline } from '../../src/pipeline/create-cdc-pipeline.js'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import { Inboxes, type Received } from './support/inbox.js'
import { eventOf, reading, withDatabase } from './support/mongo.js'
import { inDatabase, started, unique } from './support/pipelines.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()

afterEach(() => inboxes.remove())

const IMAGES = { changeStreamPreAndPostImages: { enabled: true } }
type FullDocument = NonNullable<ChangeStreamSourceOptions['fullDocument']>

/** Two updates of one document, both made before the stream is read: the first lookup is already too late. */
async function twoUpdatesLate(fullDocument: FullDocument, transform = changeEventMessage()): Promise<Received[]> {
  return await inDatabase(uri, async (db, client) => {
    const orders = await db.createCollection<{ _id: number; n: number }>('orders', IMAGES)
    const queue = unique('images')
    const inbox = await inboxes.open(url, queue)
    const { operationTime } = await db.command({ ping: 1 })
    await orders.insertOne({ _id: 1, n: 1 })
    await orders.updateOne({ _id: 1 }, { $set: { n: 2 } })
    await orders.updateOne({ _id: 1 }, { $set: { n: 3 } })
    await orders.replaceOne({ _id: 1 }, { n: 4 })
    await orders.deleteOne({ _id: 1 })
    await orders.insertOne({ _id: 1, n: 9 })
    const source = { fullDocument, startAtOperationTime: operationTime, collections: ['orders'] }
    await started({ client, database: db.databaseName, url, queue, source, transform })
    return await inbox.take(6)
  })
}

const summary = ({ operation, headers, body }: Received) => [
  operation,
  (body.fullDocument as { n: number } | undefined)?.n,
  headers['x-cdc-document'],
]

describe('a message says of which moment its document is', () => {
  it.each(['whenAvailable', 'required'] as const)('stored, with the values of that moment, for `%s`', async image => {
    expect((await twoUpdatesLate(image)).map(summary)).toEqual([
      ['insert', 1, 'event'],
      ['update', 2, 'stored'],
      ['update', 3, 'stored'],
      ['replace', 4, 'event'],
      ['delete', undefined, undefined],
      ['insert', 9, 'event'],
    ])
  })

  it('looked up, with values that came later, for `updateLookup`', async () => {
    expect((await twoUpdatesLate('updateLookup')).map(summary)).toEqual([
      ['insert', 1, 'event'],
      ['update', 9, 'looked-up'],
      ['update', 9, 'looked-up'],
      ['replace', 4, 'event'],
      ['delete', undefined, undefined],
      ['insert', 9, 'event'],
    ])
  })

  it('also behind a step that builds the event anew', async () => {
    const anew = map((event: object) => Object.fromEntries(Object.entries(event)) as never)
    const messages = await twoUpdatesLate('whenAvailable', pipe(anew, changeEventMessage()))
    expect(messages.slice(1, 3).map(({ headers }) => headers['x-cdc-document'])).toEqual(['stored', 'stored'])
  })

  it('read anew, where the event was larger than the server can send', () =>
    inDatabase(uri, async (db, client) => {
      const orders = await db.createCollection<{ _id: number; n: number; v?: string }>('orders', IMAGES)
      await orders.insertOne({ _id: 1, n: 1, v: 'x'.repeat(9 * 2 ** 20) })
      const queue = unique('oversized')
      const inbox = await inboxes.open(url, queue)
      const source = { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable' } as const
      await started({ client, database: db.databaseName, url, queue, source, transform: changeEventMessage() })
      await orders.updateOne({ _id: 1 }, { $set: { n: 2 } })
      await orders.insertOne({ _id: 2, n: 3 })
      expect((await inbox.take(2)).map(summary)).toEqual([
        ['update', 2, 're-read'],
        ['insert', 3, 'event'],
      ])
    }))

  it('nothing of an update without document', async () => {
    const updates = (await twoUpdatesLate('default')).filter(({ operation }) => operation === 'update')
    expect(updates.map(summary)).toEqual([
      ['update', undefined, undefined],
      ['update', undefined, undefined],
    ])
  })

  it.each(['command', 'driver'] as const)('with the %s reader, also where the collection has no images', reader =>
    withDatabase(uri, async (db, client) => {
      const plain = await db.createCollection<{ _id: number; n?: number }>('plain')
      const stored = await db.createCollection<{ _id: number; n?: number }>('stored', IMAGES)
      const source = new ChangeStreamSource({
        client,
        database: db.databaseName,
        fullDocument: 'whenAvailable',
        reader,
      })
      await reading(source, async stream => {
        for (const collection of [plain, stored]) {
          await collection.insertOne({ _id: 1 })
          await collection.updateOne({ _id: 1 }, { $set: { n: 1 } })
        }
        const images = (await stream.events(4)).map(record => [
          eventOf(record).fullDocument,
          documentImageOf(record.event),
        ])
        expect(images).toEqual([
          [{ _id: 1 }, undefined],
          [null, undefined],
          [{ _id: 1 }, undefined],
          [{ _id: 1, n: 1 }, 'stored'],
        ])
      })
    }),
  )
})

describe('before and after in a Debezium message', () => {
  it('are the stored images of the change', async () => {
    const before = await inDatabase(uri, async (db, client) => {
      const orders = await db.createCollection<{ _id: number; n: number }>('orders', IMAGES)
      const queue = unique('debezium')
      const inbox = await inboxes.open(url, queue)
      const source = { fullDocument: 'required', fullDocumentBeforeChange: 'required' } as const
      const transform = debeziumMessage({ name: 'shop' })
      await started({ client, database: db.databaseName, url, queue, source, transform })
      await orders.insertOne({ _id: 1, n: 1 })
      await orders.updateOne({ _id: 1 }, { $set: { n: 2 } })
      await orders.replaceOne({ _id: 1 }, { n: 3 })
      await orders.deleteOne({ _id: 1 })
      return await inbox.take(4)
    })
    const images = before.map(({ body }) => [body.op, body.before, body.after])
    expect(images).toEqual([
      ['c', null, '{"_id":1,"n":1}'],
      ['u', '{"_id":1,"n":1}', '{"_id":1,"n":2}'],
      ['u', '{"_id":1,"n":2}', '{"_id":1,"n":3}'],
      ['d', '{"_id":1,"n":3}', null],
    ])
    expect(before.map(({ headers }) => headers['x-debezium-key'])).toEqual(Array(4).fill('{"id":"1"}'))
  })
})

describe('a transaction', () => {
  it('is named in the header of each of its messages, with the place in it, and of no other', () =>
    inDatabase(uri, async (db, client) => {
      const orders = await db.createCollection('orders')
      const queue = unique('transaction')
      const inbox = await inboxes.open(url, queue)
      await started({ client, database: db.databaseName, url, queue, ordering: 'pipelined' })
      const transaction = (): Promise<unknown> =>
        client.withSession(session =>
          session.withTransaction(async (session: ClientSession) => {
            await orders.insertOne({}, { session })
            await orders.insertOne({}, { session })
          }),
        )
      await transaction()
      await orders.insertOne({})
      await transaction()
      const all = (await inbox.take(5)).map(({ headers }) => headers)
      const names = all.map(headers => headers['x-cdc-transaction'])
      expect(all.map(headers => headers['x-cdc-transaction-index'])).toEqual([0, 1, undefined, 0, 1])
      expect(names[0]).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}:\d+$/)
      expect([names[1], names[2]]).toEqual([names[0], undefined])
      expect(names[4]).toBe(names[3])
      expect(names[3]).not.toBe(names[0])
      const order = all.map(headers => headers['x-cdc-order'])
      expect(order).toEqual([...new Set(order)].sort())
    }))
})

describe('bodies in BSON, compressed', () => {
  it('keep every type, since the pipeline asks the source for it', () =>
    inDatabase(uri, async (db, client) => {
      const published: RabbitMessage[] = []
      const sink: Sink<RabbitMessage> = {
        publish: async message => void published.push(message),
        close: async () => {},
      }
      const pipeline = createCdcPipeline({
        name: 'bson',
        source: new ChangeStreamSource({ client, database: db.databaseName, maxAwaitTimeMS: 100 }),
        transform: pipe(changeEventMessage({ encoder: bsonEncoder({ BSON }) }), compress({ thresholdBytes: 0 })),
        sink,
        checkpointStore: memoryCheckpointStore(),
      })
      await pipeline.start()
      await db.collection('c').insertOne({ _id: 1 as never, d: new Double(1), text: 'x'.repeat(5_000) })
      await until(
        () => published.length > 0,
        () => 'a message',
      )
      await pipeline.stop()
      const [message] = published
      expect(message).toMatchObject({ contentType: 'application/bson', contentEncoding: 'gzip' })
      expect(message?.body.byteLength).toBeLessThan(1_000)
      const body = BSON.deserialize(gunzipSync(message?.body ?? ''), { promoteValues: false })
      expect(body.fullDocument.d).toEqual(new Double(1))
    }))
})
