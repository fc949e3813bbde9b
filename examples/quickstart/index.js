import {
  ChangeStreamSource,
  changeEventMessage,
  createCdcPipeline,
  mongoCheckpointStore,
  RabbitPublisher,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'

const client = new MongoClient(process.env.MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

const pipeline = createCdcPipeline({
  name: 'orders', // the key of its checkpoint
  source: new ChangeStreamSource({ client, database: 'shop', collections: ['orders'], fullDocument: 'updateLookup' }),
  transform: changeEventMessage({ routingKey: '{db}.{coll}.{operation}' }),
  sink: new RabbitPublisher({ url: process.env.AMQP_URL, exchange: { name: 'cdc' }, queue: { name: 'orders' } }),
  checkpointStore: mongoCheckpointStore({ client }),
})

process.once('SIGTERM', () => pipeline.stop()) // finishes what is in flight and saves the position
try {
  await pipeline.run() // resolves after stop(), rejects with what can't be healed
} finally {
  await client.close()
}
