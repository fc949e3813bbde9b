// The pipeline of the soak, in a process of its own: what it holds is counted, and nothing of the load is in it.

import { getEventListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import {
  ChangeStreamSource,
  changeEventMessage,
  createCdcPipeline,
  mongoCheckpointStore,
  RabbitPublisher,
} from 'mongo-rabbit-cdc'
import { MongoClient } from 'mongodb'

const { MONGODB_URI, AMQP_URL, DATABASE, QUEUE } = process.env
// Of the application, so that the listeners that we leave on it can be counted; checkpoints have a client of their own.
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 3_000, connectTimeoutMS: 5_000 })
const source = new ChangeStreamSource({ client, database: DATABASE, maxAwaitTimeMS: 500 })
const sink = new RabbitPublisher({ url: AMQP_URL, queue: { name: QUEUE } })
const stopping = new AbortController()
let transformSignal

const shape = changeEventMessage()
const pipeline = createCdcPipeline({
  name: QUEUE,
  source,
  transform: (event, context) => {
    transformSignal = context.signal
    return shape(event)
  },
  sink,
  checkpointStore: mongoCheckpointStore({ uri: MONGODB_URI, database: `${DATABASE}_store` }),
})

let reconnects = 0
sink.on('connected', () => reconnects++)
source.on('opened', () => reconnects++)

/** What is under way: asked while the load goes on. */
function flow() {
  const { published, inFlight, lagMs, unsavedEvents, state } = pipeline.stats()
  return { published, inFlight, lagMs, reconnects, unsavedEvents, state }
}

/** What is held: asked while nothing is written, so that each time the same should be there. */
async function held() {
  for (let n = 0; n < 2; n++) {
    globalThis.gc()
    await new Promise(resolve => setTimeout(resolve, 20)) // finalizers run between turns
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return {
    handles: countsOf(process.getActiveResourcesInfo()),
    listeners: {
      pipeline: listenersOf(pipeline),
      source: listenersOf(source),
      sink: listenersOf(sink),
      client: listenersOf(client),
      process: listenersOf(process),
      // No public API leads to the connections: their sockets are found among what Node holds.
      sockets: process._getActiveHandles().reduce((sum, handle) => sum + listenersOf(handle), 0),
      stop: getEventListeners(stopping.signal, 'abort').length,
      transform: transformSignal ? getEventListeners(transformSignal, 'abort').length : 0,
    },
    fds: readdirSync('/proc/self/fd').length - 1, // but the one that reads the folder
    heap: heapUsed,
    external,
    rss,
  }
}

function countsOf(names) {
  const counts = {}
  for (const name of names.sort()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

function listenersOf(emitter) {
  return emitter.eventNames?.().reduce((sum, name) => sum + emitter.listenerCount(name), 0) ?? 0
}

process.on('message', async request => {
  if (request === 'stop') stopping.abort()
  else process.send(request === 'flow' ? flow() : await held())
})

const ended = pipeline.run({ signal: stopping.signal })
await pipeline.start()
process.send('ready')
await ended
await client.close()
process.disconnect()
