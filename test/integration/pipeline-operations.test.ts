import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'amqplib'
import type { ChangeStreamInsertDocument, ClientSession, Document } from 'mongodb'
import { afterEach, describe, expect, inject, it } from 'vitest'
import {
  changeEventMessage,
  documentMessage,
  filter,
  map,
  onlyNamespaces,
  onlyOperations,
  pipe,
  type RabbitMessage,
} from '../../src/index.js'
import { Inboxes } from './support/inbox.js'
import { build, inDatabase, started, stopPipelines, unique } from './support/pipelines.js'
import { check, flawless, now, truth } from './support/truth.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()

afterEach(async () => {
  await stopPipelines()
  await inboxes.remove()
})

describe('a pipeline from MongoDB to RabbitMQ', () => {
  it('publishes insert, update, replace and delete in order, with the documented bodies and properties', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('crud')
      const inbox = await inboxes.open(url, queue)
      const { pipeline } = await started({ client, database: db.databaseName, url, queue })
      const orders = db.collection<{ _id: number; total: number; note?: string }>('orders')
      await orders.insertOne({ _id: 7, total: 12.5 })
      await orders.updateOne({ _id: 7 }, { $set: { total: 13 }, $unset: { note: '' } })
      await orders.replaceOne({ _id: 7 }, { total: 14 })
      await orders.deleteOne({ _id: 7 })
      const messages = await inbox.take(4)
      const ns = { db: db.databaseName, coll: 'orders' }
      const common = { ns, documentKey: { _id: 7 } }
      expect(messages.map(({ body: { clusterTime, wallTime, ...rest } }) => rest)).toEqual([
        { operationType: 'insert', ...common, fullDocument: { _id: 7, total: 12.5 } },
        {
          operationType: 'update',
          ...common,
          updateDescription: { updatedFields: { total: 13 }, removedFields: [], truncatedArrays: [] },
        },
        { operationType: 'replace', ...common, fullDocument: { _id: 7, total: 14 } },
        { operationType: 'delete', ...common },
      ])
      for (const { body, properties, headers, operation, collection, clusterTime, order, messageId } of messages) {
        expect(properties).toMatchObject({ contentType: 'application/json', deliveryMode: 2, type: operation })
        expect(body.operationType).toBe(operation)
        expect(Math.abs(properties.timestamp - Date.now() / 1000)).toBeLessThan(60)
        expect([headers['x-cdc-database'], collection]).toEqual([db.databaseName, 'orders'])
        expect(clusterTime).toMatch(/^\d{10}\.\d{10}$/)
        expect(body.clusterTime).toEqual({
          $timestamp: { t: Number(clusterTime?.slice(0, 10)), i: expect.any(Number) },
        })
        expect(order).toMatch(/^[0-9A-F]{60}[01]$/)
        expect(messageId).toMatch(/^[\w-]{43}$/)
      }
      // Confirmed, not only sent: the consumer may be faster than the confirm.
      await pipeline.stop()
      expect(pipeline.stats()).toMatchObject({ read: 4, published: 4, messages: 4, failed: 0, inFlight: 0 })
    }))

  it('publishes a transaction over two collections in its order, at one cluster time, with an id per message', () =>
    inDatabase(uri, async (db, client) => {
      await db.createCollection('a')
      await db.createCollection('b')
      const queue = unique('transaction')
      const inbox = await inboxes.open(url, queue)
      // Across documents only `pipelined` promises the order of the stream.
      await started({ client, database: db.databaseName, url, queue, ordering: 'pipelined' })
      const from = await now(client)
      await client.withSession(session =>
        session.withTransaction(async (session: ClientSession) => {
          for (let n = 0; n < 20; n++) {
            await db.collection(n % 2 === 0 ? 'a' : 'b').insertOne({ n }, { session })
          }
        }),
      )
      const messages = await inbox.take(20)
      expect(messages.map(({ body }) => (body.fullDocument as { n: number }).n)).toEqual(
        Array.from({ length: 20 }, (_, n) => n),
      )
      expect(new Set(messages.map(({ clusterTime }) => clusterTime)).size).toBe(1)
      expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(20)
      const expected = await truth(client, { database: db.databaseName }, from)
      expect(check(expected, messages)).toEqual({ ...flawless, duplicates: 0 })
    }))

  it('publishes an updateMany of 10,000 documents with never more in flight than allowed', () =>
    inDatabase(uri, async (db, client) => {
      const documents = db.collection<{ _id: number; n: number }>('documents')
      await documents.insertMany(Array.from({ length: 5_000 }, (_, _id) => ({ _id, n: 0 })))
      const queue = unique('many')
      const inbox = await inboxes.open(url, queue)
      const { pipeline } = await started({ client, database: db.databaseName, url, queue, maxInFlight: 200 })
      const from = await now(client)
      await documents.updateMany({}, { $inc: { n: 1 } })
      await documents.updateMany({}, { $inc: { n: 1 } })
      const messages = await inbox.take(10_000)
      expect(check(await truth(client, { database: db.databaseName }, from), messages)).toEqual({
        ...flawless,
        duplicates: 0,
      })
      await pipeline.stop()
      const { peakInFlight, published } = pipeline.stats()
      expect(published).toBe(10_000)
      expect(peakInFlight).toBeGreaterThan(100)
      expect(peakInFlight).toBeLessThanOrEqual(200)
    }))

  it('publishes the rename and the drop of its collection, each between what came before and what came after', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('drop')
      const inbox = await inboxes.open(url, queue)
      const { pipeline, source } = build({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { collections: ['orders'] },
      })
      let invalidated = 0
      source.on('invalidated', () => {
        invalidated += 1
      })
      await pipeline.start()
      const orders = db.collection<{ _id: number }>('orders')
      await orders.insertMany([{ _id: 1 }, { _id: 2 }])
      await orders.rename('archive')
      await inbox.take(4)
      await orders.insertOne({ _id: 3 })
      await orders.drop()
      await inbox.take(7)
      await orders.insertOne({ _id: 4 })
      const messages = await inbox.take(8)
      const told = messages.map(({ operation, body }) => [operation, (body.documentKey as { _id: number })?._id])
      expect(told.slice(0, 2).sort()).toEqual([
        ['insert', 1],
        ['insert', 2],
      ])
      expect(told.slice(2)).toEqual([
        ['rename', undefined],
        ['invalidate', undefined],
        ['insert', 3],
        ['drop', undefined],
        ['invalidate', undefined],
        ['insert', 4],
      ])
      expect(messages[2]?.body).toMatchObject({ to: { db: db.databaseName, coll: 'archive' } })
      expect(invalidated).toBe(2)
      expect(pipeline.state).toBe('running')
    }))

  it('publishes the drop of its whole database, and goes on with the one that is made again', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('database')
      const inbox = await inboxes.open(url, queue)
      const { pipeline } = await started({ client, database: db.databaseName, url, queue })
      await db.collection('a').insertOne({})
      await db.dropDatabase()
      await inbox.take(4)
      await db.collection('b').insertOne({})
      const messages = await inbox.take(5)
      expect(messages.map(({ operation }) => operation)).toEqual([
        'insert',
        'drop',
        'dropDatabase',
        'invalidate',
        'insert',
      ])
      expect(messages.map(({ collection }) => collection)).toEqual(['a', 'a', undefined, undefined, 'b'])
      expect(pipeline.state).toBe('running')
    }))

  it('watches several collections by name and by pattern, and no other', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('several')
      const inbox = await inboxes.open(url, queue)
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { collections: ['orders', /^audit_/], excludeCollections: ['audit_debug'] },
      })
      for (const name of ['users', 'audit_debug', 'orders', 'audit_a', 'reorders', 'audit_b']) {
        await db.collection(name).insertOne({})
      }
      await db.collection('orders').insertOne({ last: true })
      const messages = await inbox.take(4)
      expect(messages.map(({ collection }) => collection)).toEqual(['orders', 'audit_a', 'audit_b', 'orders'])
      expect(pipeline.stats().read).toBe(4)
    }))
})

describe('a transform', () => {
  it('filters, makes several messages of one event, and asks others asynchronously, without losing the order', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('transform')
      const inbox = await inboxes.open(url, queue)
      interface Item {
        _id: number
        step: number
        parts: number
      }
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        transform: pipe(
          onlyOperations('insert', 'replace'),
          onlyNamespaces(`${db.databaseName}.items`),
          filter(event => (event.fullDocument as unknown as Item).parts > 0),
          map(async event => {
            const { step } = event.fullDocument as unknown as Item
            // Stands for a service that answers now sooner, now later: the delay is the input.
            await pause((step * 7) % 5)
            return event
          }),
          event => {
            const { _id, step, parts } = event.fullDocument as unknown as Item
            return Array.from(
              { length: parts },
              (_, part): RabbitMessage => ({ body: Buffer.from(JSON.stringify({ _id, step, part })) }),
            )
          },
        ),
      })
      const items = db.collection<Item>('items')
      const expected: Record<number, unknown[]> = {}
      for (let step = 0; step < 60; step++) {
        const [_id, parts] = [step % 6, step % 4]
        await items.replaceOne({ _id }, { step, parts }, { upsert: true })
        const messages = Array.from({ length: parts }, (_, part) => ({ _id, step, part }))
        expected[_id] = [...(expected[_id] ?? []), ...messages]
      }
      await db.collection('others').insertOne({ parts: 3 })
      await items.deleteOne({ _id: 0 })
      const messages = await inbox.take(90)
      const arrived: Record<number, unknown[]> = {}
      for (const { body } of messages) arrived[Number(body._id)] = [...(arrived[Number(body._id)] ?? []), body]
      expect(arrived).toEqual(expected)
      expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(90)
      await until(
        () => pipeline.stats().read >= 62,
        () => '62 events',
      )
      await pipeline.stop()
      expect(pipeline.stats()).toMatchObject({ read: 62, filtered: 17, published: 45, messages: 90 })
      expect(inbox.received).toHaveLength(90)
    }))

  it('shapes documents with their type and id, and tells of deletes by the key alone', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('document')
      const inbox = await inboxes.open(url, queue)
      await started({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { fullDocument: 'updateLookup' },
        transform: documentMessage(),
      })
      const articles = db.collection<Document & { _id: string }>('articles')
      await articles.insertOne({ _id: 'a', content: { 'README.md': 'é' }, type: 'mine' })
      await inbox.take(1)
      await articles.updateOne({ _id: 'a' }, { $set: { stars: 3 } })
      await inbox.take(2)
      await articles.deleteOne({ _id: 'a' })
      const messages = await inbox.take(3)
      const key = { type: 'articles', entry_id: 'a' }
      expect(messages.map(({ operation, body }) => [operation, body])).toEqual([
        ['insert', { content: { 'README.md': 'é' }, ...key }],
        ['update', { content: { 'README.md': 'é' }, stars: 3, ...key }],
        ['delete', key],
      ])
    }))

  it('keeps every BSON type in canonical messages, which change the source by themselves', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('canonical')
      const inbox = await inboxes.open(url, queue)
      await started({
        client,
        database: db.databaseName,
        url,
        queue,
        transform: changeEventMessage({ ejson: 'canonical' }),
      })
      await db.collection<{ _id: number; double: number }>('c').insertOne({ _id: 1, double: 1.5 })
      const [message] = await inbox.take(1)
      expect(message?.body.fullDocument).toEqual({ _id: { $numberInt: '1' }, double: { $numberDouble: '1.5' } })
    }))
})

describe('where messages go', () => {
  it('a topic exchange with a routing key made of the event', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('inserts')
      const exchange = unique('exchange')
      const inbox = await inboxes.open(url, queue)
      const rest = await inboxes.open(url, unique('rest'))
      await started({
        client,
        database: db.databaseName,
        url,
        queue,
        transform: changeEventMessage({ routingKey: 'cdc.{coll}.{operation}.{id}' }),
        sink: {
          exchange: { name: exchange, autoDelete: true },
          queue: { name: queue },
          bindings: [
            { routingKey: '*.*.insert.*' },
            { queue: rest.queue, routingKey: '*.*.update.*' },
            { queue: rest.queue, routingKey: '*.*.delete.*' },
          ],
        },
      })
      const logs = db.collection<{ _id: string; n?: number }>('audit.log')
      await logs.insertOne({ _id: 'a.b' })
      await logs.updateOne({ _id: 'a.b' }, { $set: { n: 1 } })
      await logs.deleteOne({ _id: 'a.b' })
      const routed = [...(await inbox.take(1)), ...(await rest.take(2))].map(({ routingKey }) => routingKey)
      expect(routed).toEqual(['insert', 'update', 'delete'].map(operation => `cdc.audit%2Elog.${operation}.a%2Eb`))
    }))

  it('two pipelines share one client and one connection, each with its own queue and its own position', () =>
    inDatabase(uri, async (db, client) => {
      const queues = [unique('first'), unique('second')] as const
      const [a, b] = [await inboxes.open(url, queues[0]), await inboxes.open(url, queues[1])]
      const connection = await connect(url)
      const common = { client, database: db.databaseName, url }
      const [first, second] = await Promise.all(
        queues.map((queue, n) =>
          started({ ...common, queue, source: { collections: ['ab'[n] as string] }, sink: { connection } }),
        ),
      )
      await db.collection('a').insertOne({})
      await db.collection('b').insertOne({})
      expect([(await a.take(1))[0]?.collection, (await b.take(1))[0]?.collection]).toEqual(['a', 'b'])
      await first?.pipeline.stop()
      await db.collection('b').insertOne({})
      await b.take(2)
      expect(a.received).toHaveLength(1)
      await second?.pipeline.stop()
      expect((await client.db('admin').command({ ping: 1 })).ok).toBe(1)
      await (await connection.createChannel()).checkQueue(queues[0])
      await connection.close()
    }))
})

describe('the order', () => {
  const slowFirst = async (event: ChangeStreamInsertDocument): Promise<RabbitMessage> => {
    // The earlier, the slower: without waiting they would come out backwards.
    const { n } = event.fullDocument as unknown as { n: number }
    await pause(Math.max(0, 30 - n * 3))
    return { body: Buffer.from(JSON.stringify({ n })) }
  }

  it('is that of the stream when pipelined, although transforms overlap', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('pipelined')
      const inbox = await inboxes.open(url, queue)
      let [running, most] = [0, 0]
      await started({
        client,
        database: db.databaseName,
        url,
        queue,
        ordering: 'pipelined',
        transform: pipe(onlyOperations('insert'), async event => {
          running += 1
          most = Math.max(most, running)
          const message = await slowFirst(event)
          running -= 1
          return message
        }),
      })
      await db.collection('c').insertMany(Array.from({ length: 30 }, (_, n) => ({ n })))
      expect((await inbox.take(30)).map(({ body }) => body.n)).toEqual(Array.from({ length: 30 }, (_, n) => n))
      expect(most).toBeGreaterThan(1)
      expect(most).toBeLessThanOrEqual(16)
    }))

  it('is kept for what a function says belongs together, and for nothing else', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('aggregate')
      const inbox = await inboxes.open(url, queue)
      await started({
        client,
        database: db.databaseName,
        url,
        queue,
        ordering: event => (event as { fullDocument?: { aggregate: string } }).fullDocument?.aggregate,
        transform: pipe(onlyOperations('insert'), slowFirst),
      })
      const outbox = Array.from({ length: 8 }, (_, n) => ({ n, aggregate: n < 4 ? 'slow' : 'quick' }))
      await db.collection('outbox').insertMany(outbox)
      const order = (await inbox.take(8)).map(({ body }) => Number(body.n))
      expect(order.filter(n => n < 4)).toEqual([0, 1, 2, 3])
      expect(order.filter(n => n >= 4)).toEqual([4, 5, 6, 7])
      expect(order).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    }))
})
