import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import { connect, reading } from './support/mongo.js'

const FOREIGN = 2_000_000
const PER_WRITE = 50_000
const MEBIBYTE = 2 ** 20

let mongo: MongoService
let client: MongoClient
beforeAll(async () => {
  mongo = await startMongo({ oplogSizeMb: 990, args: ['--wiredTigerCacheSizeGB', '1'] })
  client = await connect(mongo.uri)
})
afterAll(async () => {
  await client?.close()
  await mongo?.stop()
})

it('gets through two million foreign entries of the oplog with one opening, in flat memory', async () => {
  const orders = client.db('shop').collection('orders')
  const optionsOf = () => ({ client, database: 'shop', collections: ['orders'], watchdogMs: 1_000 })
  const [saved] = await reading(new ChangeStreamSource(optionsOf()), async stream => {
    await orders.insertOne({ n: 1 })
    return await stream.events(1)
  })

  const writing = new MongoClient(mongo.uri, { retryWrites: false })
  try {
    const foreign = writing.db('foreign').collection<{ _id: number }>('tiny')
    for (let from = 0; from < FOREIGN; from += PER_WRITE) {
      const documents = Array.from({ length: PER_WRITE }, (_, n) => ({ _id: from + n }))
      await foreign.insertMany(documents, { ordered: false, writeConcern: { w: 1 } })
    }
  } finally {
    await writing.close()
  }
  await orders.insertOne({ n: 2 })

  const source = new ChangeStreamSource(optionsOf())
  const told: string[] = []
  for (const name of ['opened', 'retry', 'positionFallback', 'historyLost'] as const) {
    source.on(name, () => told.push(name))
  }
  const silences: { silentMs: number; answered: boolean }[] = []
  source.on('watchdog', silence => silences.push(silence))
  const rss = process.memoryUsage().rss
  await reading(
    source,
    async stream => {
      const [next] = await stream.events(1)
      expect(next?.event?.fullDocument).toMatchObject({ n: 2 })
    },
    saved?.position,
  )
  expect(told).toEqual(['opened'])
  expect(silences.every(({ answered }) => answered)).toBe(true)
  expect(process.memoryUsage().rss - rss).toBeLessThan(50 * MEBIBYTE)
}, 300_000)
