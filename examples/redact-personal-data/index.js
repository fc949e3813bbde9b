import {
  ChangeStreamSource,
  createCdcPipeline,
  mongoCheckpointStore,
  RabbitPublisher,
  stopOnSignals,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'
import { customerMessages } from './transforms.js'

const { MONGODB_URI, AMQP_URL, HASH_KEY, DATABASE = 'shop', QUEUE = 'customers' } = process.env
const transform = customerMessages({ hashKey: HASH_KEY }) // first: a key that is missing ends it here
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

const pipeline = createCdcPipeline({
  name: QUEUE, // the key of its checkpoint
  source: new ChangeStreamSource({
    client,
    database: DATABASE,
    collections: ['customers'],
    fullDocument: 'updateLookup',
    fullDocumentBeforeChange: 'whenAvailable', // a delete tells who is gone, redacted as everything else
  }),
  transform,
  sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: QUEUE } }),
  checkpointStore: mongoCheckpointStore({ client }),
  // Not 'dead-letter': a dead letter holds the whole event, with all that is hidden here.
  onFailedEvent: 'stop',
})

pipeline.on('state', ({ to, reasons }) => console.log(to, ...reasons))
stopOnSignals(pipeline)
try {
  await pipeline.run()
} finally {
  await client.close()
}
