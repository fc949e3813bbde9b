// This library, from the backlog into a queue.

import { measure } from './figures.mjs'
import { pipelineTo, published } from './pipeline.mjs'

const { AMQP_URL, QUEUE, COUNT } = process.env
const count = Number(COUNT)

const pipeline = pipelineTo(AMQP_URL, QUEUE)
await pipeline.start()
await published(pipeline, count / 100) // start-up is left out
const first = pipeline.stats().published
const started = performance.now()
const cpu = process.cpuUsage()
await published(pipeline, count)
const figures = measure(pipeline.stats().published - first, performance.now() - started, cpu)
await pipeline.stop()
process.stdout.write(JSON.stringify(figures))
