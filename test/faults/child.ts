// The pipeline in a process of its own; started by pipeline-child.ts.
import { inspect } from 'node:util'
import {
  ChangeStreamSource,
  createCdcPipeline,
  deadLetterMessage,
  isCdcError,
  mongoCheckpointStore,
  RabbitPublisher,
  type RabbitPublisherOptions,
  stopOnSignals,
} from '../../src/index.js'
import { MAX_MESSAGE_BYTES } from '../integration/support/poison.js'
import { headOf, openLog, recordingSink, recordingStore } from './child-log.js'
import { throughProxies } from './child-network.js'
import { type ChildOptions, type ChildRequest, DRAIN_MS } from './child-options.js'
import { mischievousTransform } from './child-transform.js'
import { randomOf } from './random.js'

const options = JSON.parse(process.env.NEMESIS_CHILD ?? '{}') as ChildOptions
const { mongoUri, database, settings } = options
throughProxies(options.ports)
const log = openLog(options.log)
log({ kind: 'start' })

/** As a careless logger would print it: the output is searched for passwords. */
function print(what: string, value: unknown): void {
  process.stderr.write(`${new Date().toISOString()} ${what} ${inspect(value, { depth: 6, showHidden: true })}\n`)
}

const source = new ChangeStreamSource({
  uri: mongoUri,
  database,
  batchSize: settings.batchSize,
  fullDocument: settings.fullDocument,
  reader: settings.reader,
  maxAwaitTimeMS: 200,
  watchdogMs: 1_500,
  retry: { minDelayMs: 20, maxDelayMs: 500 },
})
for (const name of ['opened', 'retry', 'watchdog', 'positionFallback', 'historyLost', 'invalidated'] as const) {
  source.on(name, (payload: unknown) => print(`source ${name}`, payload))
}
source.on('positionFallback', ({ clusterTime }) => log({ kind: 'fallback', head: headOf(clusterTime) }))
source.on('historyLost', ({ from, to }) => log({ kind: 'historyLost', from: headOf(from), to: to && headOf(to) }))

function publisher(more: Partial<RabbitPublisherOptions>): RabbitPublisher {
  const made = new RabbitPublisher({
    url: options.amqpUrl,
    confirmTimeoutMs: 3_000,
    connectTimeoutMs: 3_000,
    heartbeatMs: 5_000,
    reconnect: { minDelayMs: 20, maxDelayMs: 500 },
    ...more,
  })
  for (const name of ['connected', 'disconnected', 'retry', 'blocked', 'unblocked', 'confirmTimeout'] as const) {
    made.on(name, (payload: unknown) => print(`publisher ${name}`, payload))
  }
  return made
}

// So that a length limit rejects what comes, and doesn't drop what is there.
const queueArguments = { 'x-queue-type': settings.queueType, 'x-overflow': 'reject-publish' }
const { transform, begin } = mischievousTransform(settings.slowTransforms, randomOf(options.seed, 'transforms'))
const events = publisher({
  exchange: { name: options.exchange },
  queue: { name: options.queue, arguments: queueArguments },
  maxMessageBytes: MAX_MESSAGE_BYTES,
})
const letters = publisher({ queue: { name: options.deadLetters, arguments: queueArguments } })

const pipeline = createCdcPipeline({
  name: 'nemesis',
  source,
  transform,
  sink: recordingSink(events, false, log),
  checkpointStore: recordingStore(mongoCheckpointStore({ uri: mongoUri, database: options.checkpoints }), log),
  onFailedEvent: 'dead-letter',
  deadLetter: { sink: recordingSink(letters, true, log), message: deadLetterMessage() },
  maxInFlight: settings.maxInFlight,
  maxInFlightBytes: settings.maxInFlightBytes,
  checkpointIntervalMs: settings.checkpointIntervalMs,
  idleCheckpointIntervalMs: 2_000,
  transformTimeoutMs: 800,
  drainTimeoutMs: DRAIN_MS,
  retry: { minDelayMs: 20, maxDelayMs: 300 },
})
let started = false
for (const name of ['state', 'checkpointFailed', 'stopped'] as const) {
  pipeline.on(name, (payload: unknown) => print(`pipeline ${name}`, payload))
}
pipeline.on('state', ({ to, reasons }) => log({ kind: 'state', to, reasons }))
pipeline.on('failedEvent', ({ id, action }) => action === 'skip' && log({ kind: 'skipped', id }))
pipeline.on('stopped', ({ drained, error }) => {
  peaks()
  if (error !== undefined) {
    const access = isCdcError(error) && error.code.startsWith('CDC_BROKER') && !error.retryable
    log({ kind: 'failed', text: String(error), access, started })
  }
  log({ kind: 'stopped', drained })
})

function peaks(): void {
  const { peakInFlight, peakInFlightBytes } = pipeline.stats()
  log({ kind: 'peaks', events: peakInFlight, bytes: peakInFlightBytes })
}
setInterval(() => {
  peaks()
  print('parts', [pipeline.health(), pipeline.stats(), source, events])
}, 250).unref()

process.on('message', (request: ChildRequest) => {
  if (request.ask === 'mischief') begin(request.mischief)
  else if (request.ask === 'pause') void pipeline.pause().catch(() => {})
  else if (request.ask === 'resume') void pipeline.resume().catch(() => {})
  else process.send?.({ state: pipeline.state, lagMs: pipeline.stats().lagMs })
})
// The parent is gone.
process.on('disconnect', () => process.exit(1))

stopOnSignals(pipeline, { exit: true })
pipeline.done.catch(() => {})
await pipeline.start().then(
  () => {
    started = true
    log({ kind: 'ready' })
  },
  () => {},
)
