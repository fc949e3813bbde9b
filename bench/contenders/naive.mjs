// The loops that people write first. `each`: confirm and token awaited for each event. `confirm-each`: the token is saved
// each second. `per-500`: confirms are awaited for 500 at once. None saves a token of what isn't confirmed.

import { BSON } from 'mongodb'
import { measure } from '../figures.mjs'
import { openEnds } from './ends.mjs'
import { told } from './told.mjs'

const { queue, count, loop } = told
const eventsPerConfirm = loop === 'per-500' ? 500 : 1
const msPerToken = loop === 'each' ? 0 : 1_000

const { client, connection, channel, stream, checkpoints } = await openEnds()
let [started, cpu, first] = [performance.now(), process.cpuUsage(), 0]
let saved = started
let published = 0
for await (const event of stream) {
  const { _id, ...document } = event.fullDocument
  const body = BSON.EJSON.stringify({ ...document, type: event.ns.coll, entry_id: String(_id) })
  channel.publish('', queue, Buffer.from(body), { persistent: true })
  published += 1
  if (published % eventsPerConfirm !== 0 && published < count) continue
  await channel.waitForConfirms()
  if (performance.now() - saved >= msPerToken) {
    await checkpoints.updateOne({ _id: queue }, { $set: { token: event._id } }, { upsert: true })
    saved = performance.now()
  }
  if (published >= count) break
  // Start-up is left out.
  if (first === 0 && published >= count / 100)
    [started, cpu, first] = [performance.now(), process.cpuUsage(), published]
}
const figures = measure(published - first, performance.now() - started, cpu)
await connection.close()
await client.close()
process.stdout.write(JSON.stringify(figures))
