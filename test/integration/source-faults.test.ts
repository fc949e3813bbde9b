import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import { connect, type Reading, reading } from './support/mongo.js'

let mongo: MongoService
let client: MongoClient
beforeAll(async () => {
  mongo = await startMongo({ nodes: 3 })
  client = await connect(mongo.uri)
})
afterAll(async () => {
  await client?.close()
  await mongo?.stop()
})
beforeEach(() => client.db('shop').collection('orders').deleteMany({}))

/** Writes one number after the other, each acknowledged by the majority, until it is ended; tells which were. */
function writer(): { acknowledged: number[]; end(): Promise<void> } {
  const orders = client.db('shop').collection<{ _id: number }>('orders')
  const acknowledged: number[] = []
  let ended = false
  const writing = (async () => {
    for (let n = 0; !ended; ) {
      try {
        await orders.insertOne({ _id: n }, { writeConcern: { w: 'majority', wtimeoutMS: 5_000 } })
      } catch (error) {
        if ((error as { code?: unknown }).code !== 11000) continue // not known whether it was written: once more
      }
      acknowledged.push(n++)
    }
  })()
  return {
    acknowledged,
    async end() {
      ended = true
      await writing
    },
  }
}

const faults: [string, () => Promise<unknown>, (() => Promise<unknown>)?][] = [
  ['the primary steps down', () => mongo.stepDown()],
  [
    'the primary is killed',
    async () => {
      killed = await mongo.primary()
      await killed.kill()
      await mongo.primary()
    },
    async () => await killed?.restart(),
  ],
  [
    'the primary is shut down',
    async () => {
      killed = await mongo.primary()
      await killed.stop()
      await mongo.primary()
    },
    async () => await killed?.restart(),
  ],
]
let killed: MongoService['nodes'][number] | undefined

describe.each(['command', 'driver'] as const)('with the %s reader', reader => {
  it.each(faults)('every acknowledged write is read once when %s, soon after the election', async (_, strike, heal) => {
    const options = { client, database: 'shop', collections: ['orders'], maxAwaitTimeMS: 200, reader }
    const source = new ChangeStreamSource(options)
    await reading(source, async stream => {
      const writing = writer()
      await stream.events(20)
      let elected = 0
      const striking = strike().then(() => {
        elected = performance.now()
      })
      await stream.until(() => elected > 0, 'an election')
      const before = stream.records.length
      await stream.until(() => stream.records.slice(before).some(record => record.event), 'events after the election')
      expect(performance.now() - elected).toBeLessThan(5_000)
      await striking
      await writing.end()
      const { acknowledged } = writing
      const records = await stream.events(acknowledged.length)
      const read = records
        .filter(record => record.event?.operationType === 'insert')
        .map(({ event }) => (event?.documentKey as { _id?: number } | undefined)?._id)
      expect(read).toEqual(acknowledged)
      expect(new Set(records.map(record => record.id)).size).toBe(records.length)
    })
    await heal?.()
  })
})

const numbersOf = (stream: Reading): unknown[] =>
  stream.records.flatMap(({ event }) =>
    event?.operationType === 'insert' ? [(event.documentKey as { _id?: unknown })._id] : [],
  )

it('a write that is rolled back was never given, by either reader', async () => {
  const orders = client.db('shop').collection<{ _id: number }>('orders')
  const primary = await mongo.primary()
  const others = mongo.nodes.filter(node => node !== primary)
  const stop = (mode: 'alwaysOn' | 'off') =>
    Promise.all(
      others.map(async node => {
        const direct = await connect(node.uri)
        await direct
          .db('admin')
          .command({ configureFailPoint: 'stopReplProducer', mode })
          .finally(() => direct.close())
      }),
    )
  const [first, second] = (['command', 'driver'] as const).map(
    reader =>
      new ChangeStreamSource({ client, database: 'shop', collections: ['orders'], maxAwaitTimeMS: 200, reader }),
  ) as [ChangeStreamSource, ChangeStreamSource]
  await reading(first, stream =>
    reading(second, async other => {
      const streams = [stream, other]
      await orders.insertOne({ _id: 1 }, { writeConcern: { w: 'majority' } })
      await Promise.all(streams.map(one => one.events(1)))
      await stop('alwaysOn')
      await orders.insertOne({ _id: 2 }, { writeConcern: { w: 1 } })
      expect(await orders.findOne({ _id: 2 }, { readConcern: { level: 'local' } })).toEqual({ _id: 2 })
      await primary.kill()
      await stop('off')
      await mongo.primary()
      await primary.restart()
      await orders.insertOne({ _id: 3 }, { writeConcern: { w: 'majority' } })
      await Promise.all(streams.map(one => one.until(() => numbersOf(one).includes(3), 'the write after it')))
      expect(await orders.countDocuments({ _id: 2 })).toBe(0)
      expect(streams.map(numbersOf)).toEqual([
        [1, 3],
        [1, 3],
      ])
    }),
  )
})
