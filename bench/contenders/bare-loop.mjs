// The best loop over driver and amqplib that fits on a page: publishes without waiting, at most 2,000 unconfirmed, and
// saves each second the token before which everything is confirmed. It survives no fault.

import { BSON } from 'mongodb'
import { measure, refuseToMeasure } from '../figures.mjs'
import { openEnds } from './ends.mjs'
import { told } from './told.mjs'

const SPAN = 2_000

const { queue, count } = told
const { client, connection, channel, stream, checkpoints } = await openEnds()

/** Of what is published, oldest first; RabbitMQ's confirms of one queue come in this order, or nearly. */
const unsettled = []
let [started, cpu, first] = [performance.now(), process.cpuUsage(), 0]
let settled = 0
let token
let goOn = () => undefined
let save
const saving = setInterval(() => {
  if (token) save = checkpoints.updateOne({ _id: queue }, { $set: { token } }, { upsert: true })
}, 1_000)
if (count === 0) {
  await stream.tryNext() // opens it
  console.log('ready')
}

for await (const event of stream) {
  if (unsettled.length >= SPAN) {
    await new Promise(resolve => {
      goOn = resolve
    })
  }
  const one = { token: event._id, confirmed: false }
  unsettled.push(one)
  channel.publish('', queue, Buffer.from(bodyOf(event)), { persistent: true }, error => {
    if (error) refuseToMeasure(error.message)
    one.confirmed = true
    settle()
  })
  if (count > 0 && settled + unsettled.length >= count) break
}
await channel.waitForConfirms()
const figures = measure(settled - first, performance.now() - started, cpu)
clearInterval(saving)
await save
await connection.close()
await client.close()
process.stdout.write(JSON.stringify(figures))

function settle() {
  let done = 0
  while (unsettled[done]?.confirmed) done += 1
  if (done === 0) return
  token = unsettled[done - 1].token
  unsettled.splice(0, done)
  settled += done
  goOn()
  // Start-up is left out.
  if (first === 0 && settled >= count / 100) [started, cpu, first] = [performance.now(), process.cpuUsage(), settled]
}

function bodyOf(event) {
  if (!event.fullDocument) return BSON.EJSON.stringify(event)
  const { _id, ...document } = event.fullDocument
  return BSON.EJSON.stringify({ ...document, type: event.ns.coll, entry_id: String(_id) })
}
