// This library at its defaults, with all its guarantees: one durable queue, a lease, a checkpoint in MongoDB each second,
// and somebody who listens to what it tells.

import { ChangeStreamSource, createCdcPipeline, mongoCheckpointStore, RabbitPublisher } from '../../dist/index.js'
import { refuseToMeasure } from '../figures.mjs'
import { queueArguments } from '../jobs.mjs'
import { modes } from './modes.mjs'
import { startOfBacklog, told } from './told.mjs'

// Without `published` and `filtered`, which come for each event and are for those who look for something.
const PIPELINE_EVENTS = ['state', 'checkpoint', 'checkpointFailed', 'failedEvent', 'retry', 'leaseLost']
const SOURCE_EVENTS = ['retry', 'warning', 'historyLost', 'oversized', 'oplogWindow']
const PUBLISHER_EVENTS = ['retry', 'returned', 'confirmTimeout', 'disconnected']

/** A pipeline from the backlog to the queue at this broker. */
export function pipelineTo(url, name) {
  const { mongoUri: uri, database, collection, queue, queueType, mode = 'untouched' } = told
  const { transform, source: sourceOptions, ...options } = modes[mode]
  const source = new ChangeStreamSource({
    uri,
    database,
    collections: [collection],
    startAtOperationTime: startOfBacklog(),
    ...sourceOptions,
  })
  const sink = new RabbitPublisher({ url, queue: { name: queue, arguments: queueArguments(queueType) } })
  const pipeline = createCdcPipeline({
    name,
    source,
    transform,
    sink,
    checkpointStore: mongoCheckpointStore({ uri, database }),
    lease: { ttlMs: 30_000 },
    ...options,
  })
  for (const event of PIPELINE_EVENTS) pipeline.on(event, heard)
  for (const event of SOURCE_EVENTS) source.on(event, heard)
  for (const event of PUBLISHER_EVENTS) sink.on(event, heard)
  sink.on('blocked', refuseToMeasure)
  return pipeline
}

/** Resolves when so many events are published. */
export async function published(pipeline, events) {
  while (pipeline.stats().published < events) await new Promise(resolve => setTimeout(resolve, 5))
}

function heard() {
  // What a listener does is its own affair; that there is one is measured.
}
