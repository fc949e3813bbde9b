import {
  ChangeStreamSource,
  changeEventMessage,
  createCdcPipeline,
  mongoCheckpointStore,
  RabbitPublisher,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'

const client = new MongoClient(process.env.MONGODB_URI, { serverSelectionTimeoutMS: 5000 })
const source = new ChangeStreamSource({
  client,
  database: 'shop',
  collections: ['orders'],
  fullDocument: 'updateLookup',
})
const sink = new RabbitPublisher({ url: process.env.AMQP_URL, exchange: { name: 'cdc' }, queue: { name: 'orders' } })
const pipeline = createCdcPipeline({
  name: 'orders', // the key of its checkpoint
  source,
  transform: changeEventMessage({ routingKey: '{db}.{coll}.{operation}' }),
  sink,
  checkpointStore: mongoCheckpointStore({ client }),
})

pipeline.on('state', ({ to, reasons }) => console.log(to, ...reasons))
pipeline.on('checkpoint', () => console.log(`position saved, ${pipeline.stats().published} published`))
pipeline.on('checkpointFailed', ({ error }) => console.log(`position: ${error}`))
source.on('retry', ({ error }) => console.log(`MongoDB: ${error}`))
sink.on('retry', ({ error }) => console.log(`RabbitMQ: ${error}`))

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => pipeline.stop()) // saves the position
await pipeline.run().finally(() => client.close()) // resolves after stop(), rejects with what can't be healed
