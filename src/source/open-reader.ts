import type { MongoClient } from 'mongodb'
import { messageOf, SourceError } from '../errors.js'
import { loadMongo } from '../mongo-client.js'
import type { Position } from '../types.js'
import { withDeadline } from '../waiting.js'
import type { OpenReader } from './batches.js'
import { openCommandReader } from './command-reader.js'
import { type Deployment, describeDeployment, splitsLargeEvents } from './deployment.js'
import { openDriverReader } from './driver-reader.js'
import { joinFragments, SPLIT_STAGE, SPLIT_STAGE_NAME } from './join-fragments.js'
import { markImages } from './mark-images.js'
import { type Approach, approach, stagesOf } from './oversized-event.js'
import { keepsKey } from './pipeline-stages.js'
import { assertUsable } from './position.js'
import type { ChangeEvent } from './reader.js'
import { replyOptions } from './reply-options.js'
import { patient, type RereadSetup, rereadDocument } from './reread-document.js'
import type { ResolvedOptions } from './source-options.js'
import { originOf } from './start-position.js'
import { startOptions, type Watch } from './watch.js'

/** What a stream is opened with, whatever the position. */
export interface Opening {
  readonly client: () => Promise<MongoClient>
  readonly options: ResolvedOptions
  readonly watch: Watch
  readonly promoteValues: boolean
  /** The position was saved by another watch, of this digest. */
  readonly onOtherWatch: (was: string) => void
}

const PROBE_MS = 5_000

/** Returns what opens the stream after a position: it asks anew where it is each time, since servers change. */
export function readerOpener(opening: Opening): (after: Position, how: Approach) => Promise<OpenReader> {
  const { options, watch, promoteValues, onOtherWatch } = opening
  // One for all, since it counts the failures.
  const reread = patient(rereadDocument)
  // Some servers that call themselves MongoDB have its version and not its stages.
  let refused = false
  const onError = (error: unknown): never => {
    if (!messageOf(error).includes(SPLIT_STAGE_NAME)) throw error
    refused = true
    const text = `The server does not know the stage ${SPLIT_STAGE_NAME}, and is asked without it`
    throw new SourceError('CDC_SOURCE_UNAVAILABLE', text, { retryable: true })
  }

  return async (position, how) => {
    const client = await opening.client()
    const deployment = await describeDeployment(client)
    const origin = originOf(deployment, watch)
    assertUsable(position, { origin, now: deployment.now })
    const was = position.origin?.watch
    if (was !== undefined && was !== watch.digest) onOtherWatch(was)
    const { BSON, Timestamp } = await loadMongo()
    const splits = options.oversized === 'split' && !refused && (await splitsLargeEvents(client))
    const timestamp = (t: number, i: number) => new Timestamp({ t, i })
    const decoding = { client, promoteValues, bson: BSON }
    const setup = {
      ...decoding,
      watch: { ...watch, stages: [...watch.stages, ...stagesOf(how), ...(splits ? [SPLIT_STAGE] : [])] },
      start: startOptions(position, timestamp),
      batchSize: how === 'batches' ? options.batchSize : 1,
    }
    const { maxAwaitTimeMS, fullDocument, batchSize } = options
    const raw = readsWithDriver(options, client, deployment)
      ? openDriverReader({ ...setup, maxAwaitTimeMS, calculateObjectSize: BSON.calculateObjectSize })
      : await openCommandReader(setup).catch(splits ? onError : undefined)
    const reader = markImages(splits ? joinFragments(raw, onError) : raw, fullDocument)
    const rereading: RereadSetup = { ...decoding, stages: watch.stages, timestamp }
    return {
      reader: approach(reader, how, {
        within: batchSize,
        reread: async event => (mayReread(event, options) ? await reread(event, rereading) : undefined),
      }),
      origin,
      probe: () => isAlive(client, deployment),
    }
  }
}

/** Whether the event would carry a document, and is to get one. */
function mayReread({ operationType }: ChangeEvent, { oversized, fullDocument, pipeline }: ResolvedOptions): boolean {
  if (oversized === 'key-only' || !keepsKey(pipeline)) return false
  if (operationType === 'update') return fullDocument !== 'default'
  return operationType === 'insert' || operationType === 'replace'
}

function readsWithDriver({ reader }: ResolvedOptions, client: MongoClient, deployment: Deployment): boolean {
  if (reader !== 'auto') return reader === 'driver'
  const encrypted = client.options.autoEncryption !== undefined
  return deployment.sharded || encrypted || client.readPreference.mode !== 'primary'
}

/** Asks on another connection. Another server that answers is no sign of life: the cursor isn't there. */
async function isAlive(client: MongoClient, { server }: Deployment): Promise<boolean> {
  const hello = client.db('admin').command({ hello: 1 }, replyOptions)
  const answer = await withDeadline(hello, PROBE_MS, () => undefined)
  return answer !== undefined && (server === undefined || answer.me === undefined || answer.me === server)
}
