// What MongoDB gives to anybody: the change stream's batches as bytes, and nothing done with them.

import { MongoClient } from 'mongodb'
import { measure } from '../figures.mjs'
import { startOfBacklog, told } from './told.mjs'

/** The default of `batchSize`. */
const BATCH = 1_000
/** The cursor's id must go back as the int64 that it is. */
const OPTIONS = { promoteLongs: false, enableUtf8Validation: false }

const { mongoUri, database, collection, count } = told
const client = await new MongoClient(mongoUri).connect()
const db = client.db(database)
// One explicit session: a cursor belongs to the session that opened it.
const session = client.startSession()
const pipeline = [{ $changeStream: { startAtOperationTime: startOfBacklog() } }]
const opened = await db.command({ aggregate: collection, pipeline, cursor: { batchSize: 0 } }, { ...OPTIONS, session })
const { id: getMore } = opened.cursor

let [started, cpu, first] = [performance.now(), process.cpuUsage(), 0]
let read = 0
while (read < count) {
  const command = { getMore, collection, batchSize: BATCH, maxTimeMS: 1_000 }
  const { cursor } = await db.command(command, { ...OPTIONS, session, fieldsAsRaw: { nextBatch: true } })
  read += cursor.nextBatch.length
  // Start-up is left out.
  if (first === 0 && read >= count / 100) [started, cpu, first] = [performance.now(), process.cpuUsage(), read]
}
const figures = measure(read - first, performance.now() - started, cpu)
await session.endSession()
await client.close()
process.stdout.write(JSON.stringify(figures))
