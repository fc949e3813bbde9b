import type { Document, MongoClient, Timestamp } from 'mongodb'
import { classifySourceError } from './classify-error.js'
import { type BsonLibrary, EventDecoder } from './decode-event.js'
import { orderingKey } from './document-key.js'
import { timeOfToken } from './position.js'
import type { ChangeEvent } from './reader.js'
import { replyOptions } from './reply-options.js'

/** A document that was found, with its size in BSON. */
export interface Found {
  readonly document: unknown
  readonly size: number
}

/** What is needed beside the event. */
export interface RereadSetup {
  readonly client: MongoClient
  /** The stages of the stream: what they hide must not show in this way. */
  readonly stages: readonly Document[]
  readonly promoteValues: boolean
  readonly bson: BsonLibrary
  readonly timestamp: (t: number, i: number) => Timestamp
}

/** The reply, with its documents undecoded. */
interface Reply {
  readonly cursor: { readonly firstBatch: readonly Uint8Array[] }
}

const MAX_TIME_MS = 30_000

/**
 * Reads the document of an event by its key, from what the majority has, not older than the event, and lets it pass
 * through the stages of the stream as the document of that event. `undefined` when there is none that it could carry.
 */
export async function rereadDocument(event: ChangeEvent, setup: RereadSetup): Promise<Found | undefined> {
  const { client, stages, promoteValues, bson, timestamp } = setup
  const { ns, documentKey } = event
  if (ns?.coll === undefined || documentKey == null || !Object.hasOwn(documentKey, '_id')) return undefined
  const { t, i } = timeOfToken(event._id)
  const command = {
    aggregate: ns.coll,
    pipeline: [
      { $match: Object.fromEntries(Object.entries(documentKey).map(([path, value]) => [path, { $eq: value }])) },
      { $limit: 1 },
      { $replaceWith: { $mergeObjects: [{ $literal: event }, { fullDocument: '$$ROOT' }] } },
      ...stages,
      { $project: { fullDocument: 1 } },
    ],
    cursor: {},
    readConcern: { level: 'majority', afterClusterTime: timestamp(t, i) },
    maxTimeMS: MAX_TIME_MS,
  }
  const options = { ...replyOptions, fieldsAsRaw: { firstBatch: true } }
  const reply = (await client.db(ns.db).command(command, options)) as unknown as Reply
  const [bytes] = reply.cursor.firstBatch
  if (bytes === undefined) return undefined
  const { fullDocument } = new EventDecoder(bson, promoteValues).decode(bytes)
  if (fullDocument == null || isAnother(fullDocument, ns.db, ns.coll, documentKey._id)) return undefined
  return { document: fullDocument, size: bytes.length }
}

/** By a collation, or by an id that JavaScript can't hold, another document may be found. */
function isAnother(document: object, database: string, collection: string, id: unknown): boolean {
  if (!Object.hasOwn(document, '_id')) return false // a stage has removed it
  const key = (of: unknown): string => orderingKey(database, collection, of)
  return key((document as { _id?: unknown })._id) !== key(id)
}

type Reread = typeof rereadDocument

const ATTEMPTS = 3

/**
 * The same, but for faults that pass it rejects only a few times for one event, and never for others: the stream must
 * not stop for a document.
 */
export function patient(reread: Reread): Reread {
  let failedFor: string | undefined
  let failures = 0
  return async (event, setup) => {
    try {
      return await reread(event, setup)
    } catch (error) {
      const { _data } = event._id
      failures = failedFor === _data ? failures + 1 : 1
      failedFor = _data
      if (classifySourceError(error).action === 'retry' && failures < ATTEMPTS) throw error
      return undefined
    }
  }
}
