import { BSON, type ClientSession, Long, MongoClient } from 'mongodb'
import { describe, expect, inject, it } from 'vitest'
import { millisecondsOf } from '../../src/date-ms.js'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../src/source/source-options.js'
import type { Position } from '../../src/types.js'
import { eventOf, operations, type Reading, reading, withDatabase } from './support/mongo.js'
import { now } from './support/truth.js'

const uri = inject('mongoUri')

/** Positions go through BSON, as they do in a store. */
function stored(position: Position): Position {
  return BSON.deserialize(BSON.serialize(position)) as Position
}

/** With short waits for events: the driver's reader gives nothing before one is over. */
function sourceOf(options: ChangeStreamSourceOptions): ChangeStreamSource {
  return new ChangeStreamSource({ maxAwaitTimeMS: 100, ...options })
}

describe.each(['command', 'driver'] as const)('with the %s reader, a change stream source', reader => {
  it('gives insert, update, replace and delete in order, with one key per document and an id per event', () =>
    withDatabase(uri, async (db, client) => {
      const orders = db.collection('orders')
      const source = sourceOf({ client, database: db.databaseName, collections: ['orders'], reader })
      await reading(source, async stream => {
        const { insertedId } = await orders.insertOne({ n: 1 })
        await orders.updateOne({ _id: insertedId }, { $set: { n: 2 } })
        await orders.replaceOne({ _id: insertedId }, { n: 3 })
        await orders.deleteOne({ _id: insertedId })
        const records = await stream.events(4)
        expect(operations(records)).toEqual(['insert', 'update', 'replace', 'delete'])
        expect(new Set(records.map(record => record.key)).size).toBe(1)
        expect(new Set(records.map(record => record.id)).size).toBe(4)
        expect([...records].sort((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1))).toEqual(records)
        expect(records.every(record => (record.size ?? 0) > 100 && (record.time ?? 0) > 1e12)).toBe(true)
      })
    }))

  it('goes on exactly behind each position', () =>
    withDatabase(uri, async (db, client) => {
      const options = { client, database: db.databaseName, collections: ['c'], reader }
      const all = await reading(sourceOf(options), async stream => {
        await db.collection('c').insertMany(Array.from({ length: 5 }, (_, n) => ({ n })))
        return await stream.events(5)
      })
      for (const [index, { position }] of all.slice(0, -1).entries()) {
        await reading(
          sourceOf(options),
          async stream => {
            const rest = await stream.events(4 - index)
            expect(rest.map(record => record.id)).toEqual(all.slice(index + 1).map(record => record.id))
          },
          stored(position),
        )
      }
    }))

  it('moves its position on when only neighbours write', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({ client, database: db.databaseName, collections: ['quiet'], reader })
      await reading(source, async (stream: Reading) => {
        const before = stream.records.length
        await db.collection('noisy').insertOne({})
        await stream.until(() => stream.records.length > before, 'a heartbeat')
        expect(stream.records.every(record => record.event === undefined)).toBe(true)
        expect(stream.records.at(-1)?.position.kind).toBe('highWaterMark')
      })
    }))

  it('gives a transaction in order, at one cluster time, with distinct ids, and goes on inside of it', () =>
    withDatabase(uri, async (db, client) => {
      await db.createCollection('a')
      await db.createCollection('b')
      const options = { client, database: db.databaseName, reader }
      const all = await reading(sourceOf(options), async stream => {
        await client.withSession(session =>
          session.withTransaction(async (session: ClientSession) => {
            for (let n = 0; n < 3; n++) {
              await db.collection('a').insertOne({ n }, { session })
              await db.collection('b').insertOne({ n }, { session })
            }
          }),
        )
        return await stream.events(6)
      })
      expect(all.map(record => (eventOf(record).ns as { coll: string }).coll)).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
      expect(new Set(all.map(record => JSON.stringify(record.position.clusterTime))).size).toBe(1)
      expect(new Set(all.map(record => record.id)).size).toBe(6)
      await reading(
        sourceOf(options),
        async stream => {
          const rest = await stream.events(3)
          expect(rest.map(record => record.id)).toEqual(all.slice(3).map(record => record.id))
        },
        stored(all[2]!.position),
      )
    }))

  it('reports drop and invalidate without a key, and goes on with the collection that is created again', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({ client, database: db.databaseName, collections: ['c'], reader })
      const invalidated: unknown[] = []
      source.on('invalidated', at => invalidated.push(at))
      await reading(source, async stream => {
        await db.collection('c').insertOne({ n: 1 })
        await db.collection('c').drop()
        await stream.events(3)
        await db.collection('c').insertOne({ n: 2 })
        const records = await stream.events(4)
        expect(operations(records)).toEqual(['insert', 'drop', 'invalidate', 'insert'])
        expect(records.map(record => record.key !== undefined)).toEqual([true, false, false, true])
        expect(invalidated).toHaveLength(1)
      })
    }))

  it('goes on after the position of an invalidate, also in another process', () =>
    withDatabase(uri, async (db, client) => {
      const options = { client, database: db.databaseName, collections: ['c'], reader }
      const records = await reading(sourceOf(options), async stream => {
        await db.collection('c').insertOne({ n: 1 })
        await db.collection('c').rename('d')
        return await stream.events(3)
      })
      expect(operations(records)).toEqual(['insert', 'rename', 'invalidate'])
      await db.collection('c').insertOne({ n: 2 })
      await reading(
        sourceOf(options),
        async stream => expect(operations(await stream.events(1))).toEqual(['insert']),
        stored(records[2]!.position),
      )
    }))

  it('goes on with the collection that is created again also where the filter hides drop and invalidate', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({
        client,
        database: db.databaseName,
        collections: ['c'],
        pipeline: [{ $match: { operationType: 'insert' } }],
        reader,
      })
      const told: string[] = []
      for (const name of ['invalidated', 'retry'] as const) source.on(name, () => told.push(name))
      await reading(source, async stream => {
        for (const n of [1, 2, 3]) {
          await db.collection('c').insertOne({ n })
          await db.collection('c').drop()
        }
        await db.collection('c').insertOne({ n: 4 })
        const records = await stream.events(4)
        expect(records.map(record => (eventOf(record).fullDocument as { n: number }).n)).toEqual([1, 2, 3, 4])
        expect(told).toEqual(['invalidated', 'invalidated', 'invalidated'])
      })
    }))

  it('watches collections by name and pattern, and leaves others out', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({
        client,
        database: db.databaseName,
        collections: ['orders', /^AUDIT_/i],
        excludeCollections: ['audit_debug'],
        reader,
      })
      await reading(source, async stream => {
        for (const name of ['orders', 'ordersOld', 'audit_a', 'audit_debug', 'users']) {
          await db.collection(name).insertOne({})
        }
        await db.collection('orders').insertOne({ last: true })
        const records = await stream.events(3)
        expect(records.map(record => (eventOf(record).ns as { coll: string }).coll)).toEqual([
          'orders',
          'audit_a',
          'orders',
        ])
      })
    }))

  it('watches databases by pattern over the whole deployment, but not what is excluded at opening', () =>
    withDatabase(uri, async (db, client) => {
      const prefix = db.databaseName
      const names = [`${prefix}_x`, `${prefix}_y`, `${prefix}_z`]
      const source = sourceOf({
        client,
        databases: [new RegExp(`^${prefix}_`)],
        excludeDatabases: [names[1] as string],
        reader,
      })
      const abort = new AbortController()
      const exclude = [{ database: names[2] as string, collection: 'checkpoints' }]
      const batches = source.open({ signal: abort.signal, exclude })
      await batches.next()
      for (const name of names) await client.db(name).collection('checkpoints').insertOne({})
      for (const name of names) await client.db(name).collection('c').insertOne({})
      const seen: string[] = []
      while (seen.length < 3) {
        const { value } = await batches.next()
        for (const { event } of value ?? []) {
          if (event && 'ns' in event && 'coll' in event.ns) seen.push(`${event.ns.db}.${event.ns.coll}`)
        }
      }
      abort.abort()
      await batches.return(undefined)
      expect(seen).toEqual([`${names[0]}.checkpoints`, `${names[0]}.c`, `${names[2]}.c`])
      for (const name of names) await client.db(name).dropDatabase()
    }))

  it('decodes what stops other readers: a regular expression JavaScript can not parse, and a date out of range', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({ client, database: db.databaseName, reader })
      await reading(source, async stream => {
        await db.collection('c').insertOne({ r: new BSON.BSONRegExp('(?i)x', 'i') })
        // No driver class holds such a date: the server makes it.
        const at = { $toDate: Long.fromBigInt(9_000_000_000_000_000n) }
        await db.collection('c').updateOne({}, [{ $set: { nested: [{}, { at }] } }])
        const [regexp, date] = await stream.events(2)
        expect((eventOf(regexp).fullDocument as { r: BSON.BSONRegExp }).r.pattern).toBe('(?i)x')
        const { updatedFields } = eventOf(date).updateDescription as { updatedFields: { nested: { at: Date }[] } }
        const found = updatedFields.nested[1]?.at as Date
        expect(found).toBeInstanceOf(Date)
        // The driver's own reader decodes before we see the bytes: there the value can't be kept.
        expect(millisecondsOf(found)).toBe(reader === 'command' ? 9_000_000_000_000_000n : undefined)
      })
    }))

  it('keeps the BSON types where a pipeline needs them exactly', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({ client, database: db.databaseName, reader })
      source.useExactTypes()
      await reading(source, async stream => {
        await db.collection('c').insertOne({ double: new BSON.Double(1), int: 1, long: Long.fromNumber(1) })
        const [record] = await stream.events(1)
        const { double, int, long } = eventOf(record).fullDocument as Record<string, { _bsontype: string }>
        expect([double, int, long].map(value => value?._bsontype)).toEqual(['Double', 'Int32', 'Long'])
      })
    }))

  it('reads the same whatever the client decodes by default', () =>
    withDatabase(uri, async db => {
      const client = new MongoClient(uri, { useBigInt64: true, promoteBuffers: true, bsonRegExp: false })
      try {
        const source = sourceOf({ client, database: db.databaseName, reader })
        await reading(source, async stream => {
          await db.collection('c').insertOne({ long: Long.fromNumber(7), bytes: new BSON.Binary(Buffer.from('x'), 5) })
          const [record] = await stream.events(1)
          const { long, bytes } = eventOf(record).fullDocument as { long: unknown; bytes: BSON.Binary }
          expect([long, bytes.sub_type]).toEqual([7, 5])
        })
      } finally {
        await client.close()
      }
    }))

  it('gives the images it is asked for', () =>
    withDatabase(uri, async (db, client) => {
      await db.createCollection('c', { changeStreamPreAndPostImages: { enabled: true } })
      const source = sourceOf({
        client,
        database: db.databaseName,
        fullDocument: 'required',
        fullDocumentBeforeChange: 'required',
        reader,
      })
      await reading(source, async stream => {
        await db.collection('c').insertOne({ _id: 1 as never, n: 1 })
        await db.collection('c').updateOne({}, { $set: { n: 2 } })
        await db.collection('c').updateOne({}, { $set: { n: 3 } })
        const [, first] = await stream.events(3)
        expect(eventOf(first).fullDocumentBeforeChange).toEqual({ _id: 1, n: 1 })
        expect(eventOf(first).fullDocument).toEqual({ _id: 1, n: 2 })
      })
    }))

  it('tells of created collections and indexes only when asked', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({ client, database: db.databaseName, showExpandedEvents: true, reader })
      await reading(source, async stream => {
        await db.createCollection('c')
        await db.collection('c').createIndex({ n: 1 })
        await db.collection('c').insertOne({})
        expect(operations(await stream.events(3))).toEqual(['create', 'createIndexes', 'insert'])
      })
    }))

  it('starts at a time and after a token', () =>
    withDatabase(uri, async (db, client) => {
      const options = { client, database: db.databaseName, reader }
      const records = await reading(sourceOf(options), async stream => {
        await db.collection('c').insertMany([{ n: 1 }, { n: 2 }])
        return await stream.events(2)
      })
      const first = records[0]?.event as { _id: unknown; clusterTime: BSON.Timestamp }
      await reading(sourceOf({ ...options, startAfter: first._id }), async stream =>
        expect((await stream.events(1))[0]?.id).toBe(records[1]?.id),
      )
      await reading(sourceOf({ ...options, startAtOperationTime: first.clusterTime }), async stream =>
        expect((await stream.events(2)).map(record => record.id)).toEqual(records.map(record => record.id)),
      )
      const startAtOperationTime = new Date((first.clusterTime.t - 1) * 1000)
      await reading(sourceOf({ ...options, startAtOperationTime }), async stream =>
        expect((await stream.events(2)).map(record => record.id)).toEqual(records.map(record => record.id)),
      )
    }))

  it('falls back to the time of a position that the changed filter no longer lets through', () =>
    withDatabase(uri, async (db, client) => {
      const options = { client, database: db.databaseName, collections: ['c'], reader }
      const [first] = await reading(sourceOf(options), async stream => {
        await db.collection('c').insertOne({ n: 1 })
        return await stream.events(1)
      })
      await db.collection('c').insertOne({ n: 2 })
      const changed = sourceOf({ ...options, pipeline: [{ $match: { 'fullDocument.n': 2 } }] })
      const told: string[] = []
      changed.on('watchChanged', () => told.push('watchChanged'))
      changed.on('positionFallback', () => told.push('positionFallback'))
      await reading(
        changed,
        async stream => expect((await stream.events(1))[0]?.event?.fullDocument).toMatchObject({ n: 2 }),
        stored(first!.position),
      )
      expect([...new Set(told)]).toEqual(['watchChanged', 'positionFallback'])
    }))

  it.each([43, 50, 8, 11601, 11600, 91, 189])('opens again after error %i of a read, and loses nothing', code =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf({ client, database: db.databaseName, reader })
      await reading(source, async stream => {
        await db.collection('c').insertOne({ n: 1 })
        await stream.events(1)
        await client.db('admin').command({
          configureFailPoint: 'failCommand',
          mode: { times: 1 },
          data: { failCommands: ['getMore'], errorCode: code, appName: client.options.appName },
        })
        await db.collection('c').insertOne({ n: 2 })
        await db.collection('c').insertOne({ n: 3 })
        const records = await stream.events(3)
        expect(records.map(record => (eventOf(record).fullDocument as { n: number }).n)).toEqual([1, 2, 3])
      })
    }),
  )
})

it('iterates over the events alone', () =>
  withDatabase(uri, async (db, client) => {
    const source = new ChangeStreamSource<{ n: number }>({ client, database: db.databaseName })
    source.once('opened', () => db.collection('c').insertMany([{ n: 1 }, { n: 2 }]))
    const seen: number[] = []
    for await (const event of source.events()) {
      if (event.operationType === 'insert') seen.push(event.fullDocument.n)
      if (seen.length === 2) break
    }
    expect(seen).toEqual([1, 2])
  }))

it('closes the client that it made, and no other', () =>
  withDatabase(uri, async (db, client) => {
    const source = new ChangeStreamSource({ uri, database: db.databaseName })
    await reading(source, async stream => {
      await db.collection('c').insertOne({})
      await stream.events(1)
    })
    await reading(new ChangeStreamSource({ client, database: db.databaseName }), async () => undefined)
    expect((await client.db('admin').command({ ping: 1 })).ok).toBe(1)
  }))

it('asks for fewer events at once where they are large, and gets all of them', () =>
  withDatabase(uri, async db => {
    const client = await new MongoClient(uri, { monitorCommands: true }).connect()
    const wanted = new Map<number, number>()
    const full: number[] = [] // what was asked for where events came
    client.on('commandStarted', ({ command, requestId }) => {
      if (command.getMore) wanted.set(requestId, command.batchSize)
    })
    client.on('commandSucceeded', ({ reply, requestId }) => {
      const { cursor } = reply as { cursor?: { nextBatch?: unknown[] } }
      if (cursor?.nextBatch?.length) full.push(wanted.get(requestId) as number)
    })
    try {
      const start = await now(client)
      const text = 'x'.repeat(100 * 1024)
      await db.collection('large').insertMany(Array.from({ length: 300 }, (_, n) => ({ n, text })))
      const source = sourceOf({ client, database: db.databaseName, startAtOperationTime: start })
      await reading(source, async stream => {
        const records = await stream.events(300)
        expect(records.map(({ event }) => (event as { fullDocument: { n: number } }).fullDocument.n)).toEqual(
          Array.from({ length: 300 }, (_, n) => n),
        )
      })
      // The first is asked for before anything is known of the events.
      expect(full[0]).toBe(101)
      for (const count of full.slice(1)) expect(count).toBeLessThanOrEqual(20)
      expect(full.length).toBeGreaterThan(8)
    } finally {
      await client.close()
    }
  }))
