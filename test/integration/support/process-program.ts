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
  type QueueOptions,
  type RabbitMessage,
  RabbitPublisher,
  type StopResult,
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
  readonly queueArguments?: Readonly<Record<string, unknown>>
  readonly store: { readonly path: string } | { readonly database: string; readonly uri?: string }
  /** More options of the pipeline. */
  readonly pipeline?: {
    readonly maxInFlight?: number
    readonly maxInFlightBytes?: number
    readonly maxUnsavedEvents?: number
    readonly checkpointIntervalMs?: number
  }
  /** No transform ever returns. */
  readonly hangs?: boolean
  /** Each seventh event is held up for so long, so that events are settled out of order. */
  readonly slowMs?: number
  /** What happens to events that name a kind of poison.ts, which the transform spoils. `function`: a decision as `decisionOf` has it. */
  readonly onFailedEvent?: FailedEventAction | 'function' | 'function that stops'
  /** Kinds of poison that the transform does not spoil any more. */
  readonly mended?: readonly string[]
  /** The queue of dead letters, which has a publisher of its own. */
  readonly deadLetters?: string
  /** Where that is. @default `amqpUrl` */
  readonly deadLettersUrl?: string
  /** What `stop()` is called with. */
  readonly drainTimeoutMs?: number
  /** Updates need an image of the document before them. */
  readonly needsImages?: boolean
  /** Of several instances one publishes. Each tells its parent of its leases, and of its saves. */
  readonly lease?: { readonly ttlMs: number }
  /** Prints every event with everything that can be seen of it, and all parts, as a careless logger would. */
  readonly verbose?: boolean
}

export type Request = 'stats' | 'stop' | 'pause'
export interface Answer {
  readonly kind: 'loaded' | 'ready' | 'stats' | 'paused' | 'stopped' | 'failed' | 'lease' | 'saved'
  readonly value?: unknown
}

/** How `stop()` went, and how long it took. */
export interface Stopped {
  readonly result: StopResult
  readonly stopMs: number
}

/** The lease of this epoch was acquired, or lost with this code. */
export interface LeaseNews {
  readonly epoch: number
  readonly lost?: string
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
  queueArguments,
  store,
  pipeline: more,
  hangs,
  slowMs,
  onFailedEvent,
  mended = [],
  deadLetters,
  deadLettersUrl = amqpUrl,
  drainTimeoutMs,
  needsImages,
  lease,
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

function publisher(url: string, queue: QueueOptions, maxMessageBytes?: number): RabbitPublisher {
  return new RabbitPublisher({
    url,
    queue,
    reconnect: { minDelayMs: 20, maxDelayMs: 500 },
    ...(maxMessageBytes !== undefined && { maxMessageBytes }),
  })
}

const to = { name: queue, ...(queueArguments && { arguments: queueArguments }) }
const sink = publisher(amqpUrl, to, onFailedEvent && MAX_MESSAGE_BYTES)
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
    if (hangs) return new Promise<never>(() => {})
    // The delay is the input: it stands for a slow service that a transform asks. Seven divides the number of documents in no test: the next event of the document of a slow one isn't slow.
    return slowMs !== undefined && events % 7 === 0 ? sleep(slowMs).then(() => shape(event)) : shape(event)
  },
  sink,
  checkpointStore,
  retry: { minDelayMs: 20, maxDelayMs: 300 },
  ...(onFailedEvent && { onFailedEvent: policy(onFailedEvent), transformTimeoutMs: TRANSFORM_TIMEOUT_MS }),
  ...(deadLetters !== undefined && {
    deadLetter: { sink: publisher(deadLettersUrl, { name: deadLetters }), message: deadLetterMessage() },
  }),
  ...(lease && { lease }),
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
  if (process.connected) process.send?.({ kind, value } satisfies Answer)
}

pipeline.on('failedEvent', ({ id, event, stage, error, attempts, action }) => {
  const code = isCdcError(error) ? error.code : undefined
  answer('failed', { id, poison: poisonOf(event as object), stage, code, attempts, action } satisfies Failed)
})

if (lease) {
  pipeline.on('leaseAcquired', ({ epoch }) => answer('lease', { epoch } satisfies LeaseNews))
  pipeline.on('leaseLost', ({ epoch, error }) => answer('lease', { epoch, lost: error.code } satisfies LeaseNews))
  pipeline.on('checkpoint', ({ savedAt }) => answer('saved', savedAt.getTime()))
}

process.on('message', request => {
  if (request === 'stop') {
    process.off('disconnect', exit) // from now on it has to end by itself
    const asked = performance.now()
    void pipeline.stop(drainTimeoutMs === undefined ? {} : { drainTimeoutMs }).then(result => {
      answer('stopped', { result, stopMs: performance.now() - asked } satisfies Stopped)
      process.disconnect()
    })
  } else if (request === 'pause') {
    void pipeline.pause().then(() => answer('paused'))
  } else {
    answer('stats', {
      stats: pipeline.stats(),
      reasons: pipeline.health().reasons,
      rss: process.memoryUsage.rss(),
      heapUsed: process.memoryUsage().heapUsed,
    })
  }
})
const exit = (): never => process.exit()
process.on('disconnect', exit)

// A failure surfaces as in any service: with Node's own print of the error, and an exit code.
answer('loaded')
await pipeline.start().catch((error: unknown) => {
  if (!isCdcError(error) || error.code !== 'CDC_START_ABORTED') throw error
})
answer('ready')
await pipeline.done
