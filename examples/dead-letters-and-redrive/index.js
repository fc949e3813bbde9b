import {
  ChangeStreamSource,
  createCdcPipeline,
  deadLetterMessage,
  mongoCheckpointStore,
  RabbitPublisher,
  stopOnSignals,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'
import { brokenTransform } from './transforms.js'

const { MONGODB_URI, AMQP_URL, DATABASE = 'shop', QUEUE = 'orders' } = process.env
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

const pipeline = createCdcPipeline({
  name: QUEUE, // the key of its checkpoint
  source: new ChangeStreamSource({ client, database: DATABASE, collections: ['orders'] }),
  transform: brokenTransform,
  sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: QUEUE } }),
  checkpointStore: mongoCheckpointStore({ client }),
  onFailedEvent: 'dead-letter',
  deadLetter: {
    sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: `${QUEUE}.dead` } }),
    message: deadLetterMessage(),
  },
  // So many are hardly the fault of each of them: better to stop than to empty the stream into the dead letters.
  circuitBreaker: { failures: 5, of: 100 },
})

pipeline.on('state', ({ to, reasons }) => console.log(to, ...reasons))
pipeline.on('failedEvent', ({ stage, error }) => console.log(`failed in ${stage}: ${error.cause ?? error}`))
pipeline.on('deadLettered', ({ id }) => console.log(`dead letter of ${id}`)) // it is confirmed
stopOnSignals(pipeline)
try {
  await pipeline.run()
} finally {
  await client.close()
}
