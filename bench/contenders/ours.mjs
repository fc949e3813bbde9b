// This library, from the backlog into a queue.

import { measure, peakRssMb } from '../figures.mjs'
import { pipelineTo, published } from './pipeline.mjs'
import { told } from './told.mjs'

const { amqpUrl, queue, count, mark } = told

const pipeline = pipelineTo(amqpUrl, queue)
const opened = performance.now()
await pipeline.start()
if (count === 0)
  console.log('ready') // and on until it is ended
else {
  await published(pipeline, 1)
  const firstMs = performance.now() - opened
  await published(pipeline, count / 100) // start-up is left out
  const first = pipeline.stats().published
  const started = performance.now()
  const cpu = process.cpuUsage()
  const peakAtMark = mark === undefined ? {} : { peakAtMark: await published(pipeline, mark).then(peakRssMb) }
  await published(pipeline, count)
  const figures = measure(pipeline.stats().published - first, performance.now() - started, cpu)
  await pipeline.stop()
  process.stdout.write(JSON.stringify({ ...figures, firstMs, ...peakAtMark }))
}
