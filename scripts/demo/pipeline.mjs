// The pipeline of the demo, as a service would have it: three collections of an LLM Twin, as documents, into one queue.

import {
  ChangeStreamSource,
  createCdcPipeline,
  documentMessage,
  mongoCheckpointStore,
  onlyNamespaces,
  pipe,
  RabbitPublisher,
} from '../../dist/index.js'

const { MONGODB_URI: uri, AMQP_URL: url, DATABASE: database, QUEUE: queue } = process.env

const pipeline = createCdcPipeline({
  name: queue,
  source: new ChangeStreamSource({ uri, database, fullDocument: 'updateLookup' }),
  transform: pipe(
    onlyNamespaces(`${database}.articles`, `${database}.posts`, `${database}.repositories`),
    documentMessage(),
  ),
  sink: new RabbitPublisher({ url, queue: { name: queue } }),
  checkpointStore: mongoCheckpointStore({ uri, database }),
})

// The parent asks for a clean stop; when it's gone, nobody reads on.
process.on('message', () => pipeline.stop().then(() => process.disconnect()))
process.on('disconnect', () => pipeline.stop())
process.on('SIGINT', () => undefined) // Ctrl+C reaches the whole group: the parent decides what happens

await pipeline.start()
process.send?.('ready')
await pipeline.done
