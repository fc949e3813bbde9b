import type { ClientSession, Db, Document, MongoClient } from 'mongodb'
import { settledWithin } from '../waiting.js'
import { BatchSize } from './batch-size.js'
import { type BsonLibrary, EventDecoder } from './decode-event.js'
import type { ChangeEvent, RawEvent, Reader, ReaderBatch, ResumeTokenDocument } from './reader.js'
import { replyOptions } from './reply-options.js'
import type { Watch } from './watch.js'

/** How long letting go of a cursor may take; it dies on the server by itself after ten minutes. */
const CLOSE_MS = 1_000

/** What the reader needs beside the watch. */
export interface ReaderSetup {
  readonly client: MongoClient
  readonly watch: Watch
  /** Where to start: options of `$changeStream`. */
  readonly start: Document
  readonly batchSize: number
  readonly promoteValues: boolean
  readonly bson: BsonLibrary
}

/** The cursor of a reply. */
interface CursorReply {
  readonly cursor: {
    readonly id: { isZero(): boolean }
    readonly ns: string
    readonly firstBatch?: readonly Uint8Array[]
    readonly nextBatch?: readonly Uint8Array[]
    readonly postBatchResumeToken?: ResumeTokenDocument
  }
}

/**
 * Reads with the `aggregate` and `getMore` commands themselves, in one explicit session: real batches, undecoded, with
 * the token behind each batch, and an error the moment a primary steps down. The driver's `ChangeStream` would hide
 * the batches, resume behind our back and wait for its server selection.
 * @see https://www.mongodb.com/docs/manual/reference/command/getMore/
 */
export async function openCommandReader({ client, watch, start, ...setup }: ReaderSetup): Promise<Reader> {
  const batchSize = new BatchSize(setup.batchSize)
  const decoder = new EventDecoder(setup.bson, setup.promoteValues)
  const db = client.db(watch.database)
  const session = client.startSession({ causalConsistency: false })
  const pipeline = [{ $changeStream: { ...watch.options, ...start } }, ...watch.stages]
  let reply: CursorReply
  try {
    const command = { aggregate: watch.collection ?? 1, pipeline, cursor: { batchSize: 0 } }
    reply = (await db.command(command, { ...replyOptions, session })) as unknown as CursorReply
  } catch (error) {
    await endSession(session)
    throw error
  }
  let cursorId = reply.cursor.id
  const collection = reply.cursor.ns.slice(reply.cursor.ns.indexOf('.') + 1)

  async function nextBatch(maxTimeMs: number): Promise<ReaderBatch> {
    const command = { getMore: cursorId, collection, batchSize: batchSize.next, maxTimeMS: maxTimeMs }
    const options = { ...replyOptions, session, fieldsAsRaw: { nextBatch: true } }
    const { cursor } = (await db.command(command, options)) as unknown as CursorReply
    cursorId = cursor.id
    const batch = cursor.nextBatch ?? []
    batchSize.seen(batch)
    const events = batch.map(bytes => new UndecodedEvent(bytes, decoder))
    const highWaterMark = cursor.postBatchResumeToken
    return { events, closed: cursorId.isZero(), ...(highWaterMark && { highWaterMark }) }
  }

  async function close(): Promise<void> {
    if (!cursorId.isZero()) await killCursor(db, collection, cursorId)
    await endSession(session)
  }

  return { nextBatch, close }
}

/** Decoded when it is its turn, and only once. */
class UndecodedEvent implements RawEvent {
  readonly size: number
  readonly #bytes: Uint8Array
  readonly #decoder: EventDecoder
  #event: ChangeEvent | undefined

  constructor(bytes: Uint8Array, decoder: EventDecoder) {
    this.size = bytes.length
    this.#bytes = bytes
    this.#decoder = decoder
  }

  mayHave(name: string): boolean {
    const { buffer, byteOffset, length } = this.#bytes
    return Buffer.from(buffer, byteOffset, length).includes(name)
  }

  /** Throws SourceError `CDC_EVENT_UNDECODABLE`. */
  get event(): ChangeEvent {
    this.#event ??= this.#decoder.decode(this.#bytes)
    return this.#event
  }
}

/** Outside of the session, in which an abandoned getMore may still be running. */
async function killCursor(db: Db, collection: string, id: CursorReply['cursor']['id']): Promise<void> {
  await settledWithin(db.command({ killCursors: collection, cursors: [id] }, replyOptions), CLOSE_MS)
}

async function endSession(session: ClientSession): Promise<void> {
  await settledWithin(session.endSession(), CLOSE_MS)
}
