// npm `mongochangestream` with amqplib, as its own documentation has it: batches of 500, the confirms of one batch
// awaited, then its token saved. It keeps tokens in Redis: here that is a map, which is faster than any Redis.

import { createRequire } from 'node:module'
import amqp from 'amqplib'
import { BSON, MongoClient } from 'mongodb'
import { measure, refuseToMeasure } from '../figures.mjs'
import { queueArguments } from '../jobs.mjs'
import { told } from './told.mjs'

const BATCH = 500

const { mongoUri, amqpUrl, queue, queueType, database, collection, token, peer } = told
const count = Math.ceil(told.count / BATCH) * BATCH // what doesn't fill a batch waits for 30 s
const { getKeys, initSync } = createRequire(`${peer}/`)('mongochangestream')

const client = await new MongoClient(mongoUri).connect()
const connection = await amqp.connect(amqpUrl, { noDelay: true })
connection.on('blocked', refuseToMeasure)
const channel = await connection.createConfirmChannel()
await channel.assertQueue(queue, { arguments: queueArguments(queueType) })

const source = client.db(database).collection(collection)
const kept = new Map([[getKeys(source, {}).changeStreamTokenKey, JSON.stringify(token)]])
const redis = {
  get: async key => kept.get(key) ?? null,
  async mset(...pairs) {
    for (let at = 0; at < pairs.length; at += 2) kept.set(pairs[at], String(pairs[at + 1]))
  },
}

let [started, cpu, first] = [performance.now(), process.cpuUsage(), 0]
let published = 0
const stream = await initSync(redis, source).processChangeStream(
  async events => {
    for (const event of events) {
      const { _id, ...document } = event.fullDocument
      const body = BSON.EJSON.stringify({ ...document, type: event.ns.coll, entry_id: String(_id) })
      channel.publish('', queue, Buffer.from(body), { persistent: true })
    }
    await channel.waitForConfirms()
    published += events.length
    if (published >= count) {
      process.stdout.write(JSON.stringify(measure(published - first, performance.now() - started, cpu)), () =>
        process.exit(),
      )
    }
    // Start-up is left out.
    if (first === 0 && published >= count / 100)
      [started, cpu, first] = [performance.now(), process.cpuUsage(), published]
  },
  { batchSize: BATCH },
)
await stream.start()
