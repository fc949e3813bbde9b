// The loop that everyone writes first, in its safe form: publish, wait for the confirm, save the token each second.

import amqp from 'amqplib'
import { BSON, MongoClient, Timestamp } from 'mongodb'
import { measure, refuseToMeasure } from './figures.mjs'

const { MONGODB_URI, AMQP_URL, QUEUE, DATABASE, COUNT, FROM } = process.env
const [t, i] = FROM.split('.').map(Number)
const count = Number(COUNT)

const client = await new MongoClient(MONGODB_URI).connect()
const connection = await amqp.connect(AMQP_URL, { noDelay: true })
connection.on('blocked', refuseToMeasure)
const channel = await connection.createConfirmChannel()
await channel.assertQueue(QUEUE)
const stream = client
  .db(DATABASE)
  .collection('documents')
  .watch([], { startAtOperationTime: new Timestamp({ t, i }), batchSize: 1000 })
const checkpoints = client.db(DATABASE).collection('checkpoints')
let [started, cpu] = [performance.now(), process.cpuUsage()]
let saved = started
let published = 0
for await (const event of stream) {
  const { _id, ...document } = event.fullDocument
  const body = BSON.EJSON.stringify({ ...document, type: event.ns.coll, entry_id: String(_id) })
  channel.publish('', QUEUE, Buffer.from(body), { persistent: true })
  await channel.waitForConfirms()
  if (performance.now() - saved > 1000) {
    await checkpoints.updateOne({ _id: QUEUE }, { $set: { token: event._id } }, { upsert: true })
    saved = performance.now()
  }
  if (++published === count / 100) [started, cpu] = [performance.now(), process.cpuUsage()] // start-up is left out
  if (published >= count) break
}
const figures = measure(count * 0.99, performance.now() - started, cpu)
await connection.close()
await client.close()
process.stdout.write(JSON.stringify(figures))
