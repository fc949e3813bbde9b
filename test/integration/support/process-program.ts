// A pipeline in a process of its own, as a service would have it; built and forked by process.ts.

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  ChangeStreamSource,
  type CheckpointStore,
  changeEventMessage,
  createCdcPipeline,
  deadLetterMessage,
  fileCheckpointStore,
  mongoCheckpointStore,
  RabbitPublisher,
} from '../../../src/index.js'

/** What the parent says which pipeline it wants. */
export interface ProcessOptions {
  readonly mongoUri: string
  readonly amqpUrl: string
  readonly database: string
  readonly collections?: readonly string[]
  /** Name of the pipeline and of the queue. */
  readonly queue: string
  readonly store: { readonly path: string } | { readonly database: string }
  /** More options of the pipeline. */
  readonly pipeline?: {
    readonly maxInFlight?: number
    readonly maxInFlightBytes?: number
    readonly maxUnsavedEvents?: number
    readonly checkpointIntervalMs?: number
  }
  /** Each tenth event is held up for so long, so that events are settled out of order. */
  readonly slowMs?: number
  /** What happens to events whose document has a field `poison`, over which the transform throws. */
  readonly onFailedEvent?: 'stop' | 'skip' | 'dead-letter'
  /** The queue of dead letters. */
  readonly deadLetters?: string
  /** Prints every event with everything that can be seen of it, and all parts, as a careless logger would. */
  readonly verbose?: boolean
}

export type Request = 'stats' | 'stop'
export interface Answer {
  readonly kind: 'loaded' | 'ready' | 'stats' | 'stopped'
  readonly value?: unknown
}

const {
  mongoUri,
  amqpUrl,
  database,
  collections,
  queue,
  store,
  pipeline: more,
  slowMs,
  onFailedEvent,
  deadLetters,
  verbose,
} = JSON.parse(process.env.PIPELINE ?? '{}') as ProcessOptions

function print(what: string, value: unknown): void {
  process.stderr.write(`${what} ${inspect(value, { depth: 10, showHidden: true })}\n`)
}

const checkpointStore: CheckpointStore =
  'path' in store ? fileCheckpointStore(store) : mongoCheckpointStore({ uri: mongoUri, ...store })
const source = new ChangeStreamSource({
  uri: mongoUri,
  database,
  ...(collections && { collections }),
  maxAwaitTimeMS: 200,
  retry: { minDelayMs: 20, maxDelayMs: 500 },
})
const sink = new RabbitPublisher({
  url: amqpUrl,
  queue: { name: queue },
  reconnect: { minDelayMs: 20, maxDelayMs: 500 },
})
const shape = changeEventMessage()
let events = 0
const pipeline = createCdcPipeline({
  name: queue,
  source,
  transform: event => {
    events += 1
    if ((event as { fullDocument?: { poison?: unknown } }).fullDocument?.poison) throw new Error('poison')
    // The delay is the input: it stands for a slow service that a transform asks.
    return slowMs !== undefined && events % 10 === 0 ? sleep(slowMs).then(() => shape(event)) : shape(event)
  },
  sink,
  checkpointStore,
  retry: { minDelayMs: 20, maxDelayMs: 300 },
  ...(onFailedEvent && { onFailedEvent }),
  ...(deadLetters !== undefined && {
    deadLetter: { message: deadLetterMessage({ exchange: '', routingKey: deadLetters }) },
  }),
  ...more,
})

if (verbose) {
  for (const name of ['state', 'retry', 'failedEvent', 'checkpoint', 'checkpointFailed', 'stopped'] as const) {
    pipeline.on(name, (payload: unknown) => print(`pipeline ${name}`, payload))
  }
  for (const name of ['opened', 'retry', 'watchdog', 'warning'] as const) {
    source.on(name, (payload: unknown) => print(`source ${name}`, payload))
  }
  for (const name of ['connected', 'disconnected', 'retry'] as const) {
    sink.on(name, (payload: unknown) => print(`publisher ${name}`, payload))
  }
  const tell = (): void =>
    print('parts', [pipeline, source, sink, checkpointStore, pipeline.health(), pipeline.stats()])
  pipeline.on('state', tell)
}

function answer(kind: Answer['kind'], value?: unknown): void {
  process.send?.({ kind, value } satisfies Answer)
}

process.on('message', request => {
  if (request === 'stop') {
    void pipeline.stop().then(result => {
      answer('stopped', result)
      process.disconnect()
    })
  } else {
    answer('stats', {
      stats: pipeline.stats(),
      reasons: pipeline.health().reasons,
      rss: process.memoryUsage.rss(),
    })
  }
})
process.on('disconnect', () => process.exit())

// A failure surfaces as in any service: with Node's own print of the error, and an exit code.
answer('loaded')
await pipeline.start()
answer('ready')
await pipeline.done
