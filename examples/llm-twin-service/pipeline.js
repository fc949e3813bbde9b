import {
  ChangeStreamSource,
  createCdcPipeline,
  documentMessage,
  mongoCheckpointStore,
  onlyNamespaces,
  pipe,
  RabbitPublisher,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'
import { config } from './config.js'

const { mongoUri, amqpUrl, database, queue } = config

export const client = new MongoClient(mongoUri, { serverSelectionTimeoutMS: 5000 })

export const pipeline = createCdcPipeline({
  name: queue, // the key of its checkpoint
  // Without the look-up an update would arrive as its key alone.
  source: new ChangeStreamSource({ client, database, fullDocument: 'updateLookup' }),
  transform: pipe(
    // Named one by one: `users`, and whatever is added to the database later, stays inside.
    onlyNamespaces(`${database}.articles`, `${database}.posts`, `${database}.repositories`),
    documentMessage(), // the document without `_id`, with `type` (its collection) and `entry_id`
  ),
  sink: new RabbitPublisher({ url: amqpUrl, queue: { name: queue } }),
  checkpointStore: mongoCheckpointStore({ client }),
})
