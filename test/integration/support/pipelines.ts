import type { ChangeStreamDocument, Db, MongoClient } from 'mongodb'
import {
  type CdcPipeline,
  type CdcPipelineOptions,
  ChangeStreamSource,
  type ChangeStreamSourceOptions,
  changeEventMessage,
  createCdcPipeline,
  memoryCheckpointStore,
  type RabbitMessage,
  RabbitPublisher,
  type RabbitPublisherOptions,
} from '../../../src/index.js'
import { withDatabase } from './mongo.js'

type PipelineOptions = CdcPipelineOptions<ChangeStreamDocument, RabbitMessage>

/** What a test wants to be different. */
export interface Wanted extends Partial<Omit<PipelineOptions, 'source' | 'sink'>> {
  readonly client?: MongoClient
  readonly database: string
  readonly url: string
  /** A durable queue without exchange, and the name of the pipeline. */
  readonly queue: string
  readonly source?: ChangeStreamSourceOptions
  readonly sink?: Partial<RabbitPublisherOptions>
}

/** A pipeline with its parts. */
export interface Parts {
  readonly pipeline: CdcPipeline
  readonly source: ChangeStreamSource
  readonly sink: RabbitPublisher
}

const made: CdcPipeline[] = []
let counter = 0

/** A name that no other test has. */
export function unique(prefix: string): string {
  return `${prefix}-${process.pid}-${Date.now().toString(36)}-${counter++}`
}

/** A pipeline from a database to a queue, with short times. */
export function build({ client, database, url, queue, source, sink, ...options }: Wanted): Parts {
  const from = new ChangeStreamSource({
    ...(client && { client }),
    database,
    maxAwaitTimeMS: 200,
    retry: { minDelayMs: 20, maxDelayMs: 500 },
    ...source,
  })
  const to = new RabbitPublisher({
    ...(sink?.urls || sink?.connection ? {} : { url }),
    ...(sink?.exchange ? {} : { queue: { name: queue } }),
    reconnect: { minDelayMs: 20, maxDelayMs: 500 },
    ...sink,
  })
  const pipeline = createCdcPipeline({
    name: queue,
    source: from,
    transform: changeEventMessage(),
    sink: to,
    checkpointStore: memoryCheckpointStore(),
    retry: { minDelayMs: 20, maxDelayMs: 300 },
    ...options,
  })
  pipeline.done.catch(() => {})
  made.push(pipeline)
  return { pipeline, source: from, sink: to }
}

/** The same, started. */
export async function started(wanted: Wanted): Promise<Parts> {
  const parts = build(wanted)
  await parts.pipeline.start()
  return parts
}

/** Ends what tests have left running. */
export async function stopPipelines(): Promise<void> {
  await Promise.all(made.splice(0).map(pipeline => pipeline.stop({ drainTimeoutMs: 0 })))
}

/** As `withDatabase`, with the pipelines ended before the client is. */
export function inDatabase<T>(uri: string, use: (db: Db, client: MongoClient) => Promise<T>): Promise<T> {
  return withDatabase(uri, async (db, client) => {
    try {
      return await use(db, client)
    } finally {
      await stopPipelines()
    }
  })
}

/** What a promise rejects with; a promise that resolves is an error of its own. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string; cause?: unknown }> {
  const nothing = Symbol('resolved')
  const error = await promise.then(
    () => nothing,
    (error: unknown) => error,
  )
  if (error === nothing) throw new Error('Expected a rejection, but the promise resolved')
  return error as Error
}
