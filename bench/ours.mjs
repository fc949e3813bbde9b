// This library at its defaults: documents into one durable queue, a checkpoint each second.

import { Timestamp } from 'mongodb'
import {
  ChangeStreamSource,
  createCdcPipeline,
  documentMessage,
  mongoCheckpointStore,
  RabbitPublisher,
} from '../dist/index.js'
import { measure, refuseToMeasure } from './figures.mjs'

const { MONGODB_URI: uri, AMQP_URL: url, QUEUE: queue, DATABASE: database, COUNT, FROM } = process.env
const [t, i] = FROM.split('.').map(Number)
const count = Number(COUNT)

const sink = new RabbitPublisher({ url, queue: { name: queue } }).on('blocked', refuseToMeasure)
const pipeline = createCdcPipeline({
  name: queue,
  source: new ChangeStreamSource({
    uri,
    database,
    collections: ['documents'],
    startAtOperationTime: new Timestamp({ t, i }),
  }),
  transform: documentMessage(),
  sink,
  checkpointStore: mongoCheckpointStore({ uri, database }),
})
await pipeline.start()
await published(count / 100) // start-up is left out
const first = pipeline.stats().published
const started = performance.now()
const cpu = process.cpuUsage()
await published(count)
const figures = measure(count - first, performance.now() - started, cpu)
await pipeline.stop()
process.stdout.write(JSON.stringify(figures))

async function published(events) {
  while (pipeline.stats().published < events) await new Promise(resolve => setTimeout(resolve, 5))
}
