// A pipeline in a process of its own, as a service would have it; built and forked by process.ts.

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  ChangeStreamSource,
  type CheckpointStore,
  changeEventMessage,
  createCdcPipeline,
  deadLetterMessage,
  type EventFailure,
  type FailedEventAction,
  type FailedEventDecision,
  type FailedEventPolicy,
  type FailureStage,
  fileCheckpointStore,
  isCdcError,
  mongoCheckpointStore,
  type RabbitMessage,
  RabbitPublisher,
} from '../../../src/index.js'
import { decisionOf, MAX_MESSAGE_BYTES, poisonKinds, poisonOf, TRANSFORM_TIMEOUT_MS } from './poison.js'

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
  /** Each seventh event is held up for so long, so that events are settled out of order. */
  readonly slowMs?: number
  /** What happens to events that name a kind of poison.ts, which the transform spoils. `function`: a decision as `decisionOf` has it. */
  readonly onFailedEvent?: FailedEventAction | 'function' | 'function that stops'
  /** Kinds of poison that the transform does not spoil any more. */
  readonly mended?: readonly string[]
  /** The queue of dead letters, which has a publisher of its own. */
  readonly deadLetters?: string
  /** Updates need an image of the document before them. */
  readonly needsImages?: boolean
  /** Prints every event with everything that can be seen of it, and all parts, as a careless logger would. */
  readonly verbose?: boolean
}

export type Request = 'stats' | 'stop'
export interface Answer {
  readonly kind: 'loaded' | 'ready' | 'stats' | 'stopped' | 'failed'
  readonly value?: unknown
}

/** An event that failed for good, as the listener of `failedEvent` was told. */
export interface Failed {
  readonly id: string
  readonly poison: string | undefined
  readonly stage: FailureStage
  readonly code: string | undefined
  readonly attempts: number
  readonly action: FailedEventAction
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
  mended = [],
  deadLetters,
  needsImages,
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
  ...(needsImages && { fullDocumentBeforeChange: 'required' }),
})

function publisher(name: string, maxMessageBytes?: number): RabbitPublisher {
  return new RabbitPublisher({
    url: amqpUrl,
    queue: { name },
    reconnect: { minDelayMs: 20, maxDelayMs: 500 },
    ...(maxMessageBytes !== undefined && { maxMessageBytes }),
  })
}

const sink = publisher(queue, onFailedEvent && MAX_MESSAGE_BYTES)
const shape = changeEventMessage()
let events = 0

const asked = new Set<string>()

/** As somebody would decide who hopes once, and asks somebody else then. */
async function decide(failure: EventFailure): Promise<FailedEventDecision> {
  if (!asked.has(failure.id)) {
    asked.add(failure.id)
    return 'retry'
  }
  await sleep(5)
  return decisionOf(failure)
}

function policy(wanted: NonNullable<ProcessOptions['onFailedEvent']>): FailedEventPolicy {
  if (wanted === 'function') return decide
  return wanted === 'function that stops' ? () => 'stop' : wanted
}

const pipeline = createCdcPipeline({
  name: queue,
  source,
  transform: event => {
    events += 1
    const poison = poisonOf(event)
    if (poison !== undefined && !mended.includes(poison)) {
      return poisonKinds[poison]?.spoil(shape(event), event) as RabbitMessage
    }
    // The delay is the input: it stands for a slow service that a transform asks. Seven divides the number of documents in no test: the next event of the document of a slow one isn't slow.
    return slowMs !== undefined && events % 7 === 0 ? sleep(slowMs).then(() => shape(event)) : shape(event)
  },
  sink,
  checkpointStore,
  retry: { minDelayMs: 20, maxDelayMs: 300 },
  ...(onFailedEvent && { onFailedEvent: policy(onFailedEvent), transformTimeoutMs: TRANSFORM_TIMEOUT_MS }),
  ...(deadLetters !== undefined && { deadLetter: { sink: publisher(deadLetters), message: deadLetterMessage() } }),
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

pipeline.on('failedEvent', ({ id, event, stage, error, attempts, action }) => {
  const code = isCdcError(error) ? error.code : undefined
  answer('failed', { id, poison: poisonOf(event as object), stage, code, attempts, action } satisfies Failed)
})

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
      heapUsed: process.memoryUsage().heapUsed,
    })
  }
})
process.on('disconnect', () => process.exit())

// A failure surfaces as in any service: with Node's own print of the error, and an exit code.
answer('loaded')
await pipeline.start()
answer('ready')
await pipeline.done
