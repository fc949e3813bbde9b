// This library at its defaults: documents into one durable queue, a checkpoint each second.

import { Timestamp } from 'mongodb'
import {
  ChangeStreamSource,
  createCdcPipeline,
  documentMessage,
  mongoCheckpointStore,
  RabbitPublisher,
} from '../dist/index.js'
import { refuseToMeasure } from './figures.mjs'

const { MONGODB_URI: uri, DATABASE: database, QUEUE: queue, QUEUE_TYPE: type, FROM } = process.env
const [t, i] = FROM.split('.').map(Number)

/** How the queue is declared; classic is what a broker makes of a plain one. */
export const queueArguments = type === 'quorum' ? { 'x-queue-type': 'quorum' } : {}

/** A pipeline from the backlog to the queue at this broker. */
export function pipelineTo(url, name) {
  return createCdcPipeline({
    name,
    source: new ChangeStreamSource({
      uri,
      database,
      collections: ['documents'],
      startAtOperationTime: new Timestamp({ t, i }),
    }),
    transform: documentMessage(),
    sink: new RabbitPublisher({ url, queue: { name: queue, arguments: queueArguments } }).on(
      'blocked',
      refuseToMeasure,
    ),
    checkpointStore: mongoCheckpointStore({ uri, database }),
  })
}

/** Resolves when so many events are published. */
export async function published(pipeline, events) {
  while (pipeline.stats().published < events) await new Promise(resolve => setTimeout(resolve, 5))
}
