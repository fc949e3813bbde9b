import {
  byAggregate,
  ChangeStreamSource,
  createCdcPipeline,
  deleteAfterConfirm,
  mongoCheckpointStore,
  outboxRouter,
  RabbitPublisher,
  stopOnSignals,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'

const { MONGODB_URI, AMQP_URL, DATABASE = 'shop', EXCHANGE = 'events', QUEUE = 'order-events' } = process.env
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })
const outbox = client.db(DATABASE).collection('outbox')

const pipeline = createCdcPipeline({
  name: QUEUE, // the key of its checkpoint
  source: new ChangeStreamSource({
    client,
    database: DATABASE,
    collections: ['outbox'],
    pipeline: [{ $match: { operationType: 'insert' } }], // deletes of entries are not even sent
  }),
  transform: outboxRouter(), // routed by `{aggregateType}.{type}`: order.placed
  ordering: byAggregate, // the events of one order in the order of their transactions
  sink: new RabbitPublisher({
    url: AMQP_URL,
    exchange: { name: EXCHANGE },
    queue: { name: QUEUE },
    bindings: [{ routingKey: 'order.*' }],
  }),
  checkpointStore: mongoCheckpointStore({ client }),
})
const cleaner = deleteAfterConfirm(pipeline, outbox, { onError: ({ error }) => console.log(`outbox: ${error}`) })

pipeline.on('state', ({ to, reasons }) => console.log(to, ...reasons))
stopOnSignals(pipeline)
try {
  await outbox.createIndex({ at: 1 }, { expireAfterSeconds: 30 * 86_400 }) // what a crash has left over
  await pipeline.run()
} finally {
  await cleaner.stop() // deletes what was confirmed last
  await client.close()
}
