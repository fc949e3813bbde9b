import {
  ChangeStreamSource,
  createCdcPipeline,
  deadLetterMessage,
  mongoCheckpointStore,
  RabbitPublisher,
  stopOnSignals,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'
import { customerMessages, hideCustomer } from './transforms.js'

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
  onFailedEvent: 'dead-letter',
  deadLetter: {
    sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: `${QUEUE}.dead` } }),
    // Letters hold the event as it was before all steps: what is hidden in the messages has to be hidden in here, too.
    message: deadLetterMessage({ redact: hideCustomer({ hashKey: HASH_KEY }) }),
  },
  circuitBreaker: { failures: 5, of: 100 },
})

pipeline.on('state', ({ to, reasons }) => console.log(to, ...reasons))
stopOnSignals(pipeline)
try {
  await pipeline.run()
} finally {
  await client.close()
}
