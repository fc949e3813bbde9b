import {
  ChangeStreamSource,
  changeEventMessage,
  createCdcPipeline,
  mongoCheckpointStore,
  RabbitPublisher,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'

const { MONGODB_URI, AMQP_URL, DATABASE = 'shop', QUEUE = 'orders' } = process.env

export const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

export const pipeline = createCdcPipeline({
  name: QUEUE, // the key of its checkpoint
  source: new ChangeStreamSource({ client, database: DATABASE, collections: ['orders'], fullDocument: 'updateLookup' }),
  transform: changeEventMessage(),
  sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: QUEUE } }),
  checkpointStore: mongoCheckpointStore({ client }),
})
