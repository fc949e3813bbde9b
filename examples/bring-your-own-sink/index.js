import { ChangeStreamSource, changeEventMessage, createCdcPipeline, mongoCheckpointStore } from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'
import { httpSink } from './http-sink.js'

const { MONGODB_URI, ENDPOINT, DATABASE = 'shop' } = process.env
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

const pipeline = createCdcPipeline({
  name: `${DATABASE} to HTTP`,
  source: new ChangeStreamSource({ client, database: DATABASE, collections: ['orders'], fullDocument: 'updateLookup' }),
  transform: changeEventMessage(),
  sink: httpSink({ url: ENDPOINT }),
  checkpointStore: mongoCheckpointStore({ client }),
})

pipeline.on('state', ({ to, reasons }) => console.log(to, ...reasons))
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => pipeline.stop())
try {
  await pipeline.run()
} finally {
  await client.close()
}
