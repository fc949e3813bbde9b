import { BSON, type Document, type MongoClient, Timestamp } from 'mongodb'
import type { Inbox, Received } from './inbox.js'

/** An event as MongoDB tells it to a stream of the driver. */
export interface TrueEvent {
  readonly token: string
  /** What of it is in the header of a message. */
  readonly order: string
  readonly operation: string
  /** Namespace and `_id`; absent for events that concern no document. */
  readonly document: string | undefined
  readonly event: Document
}

/** Which part of MongoDB is watched. */
export interface Scope {
  readonly database: string
  readonly collection?: string
  readonly pipeline?: Document[]
}

/** The time behind the last write: a stream that starts there sees what is written from now on, and nothing before. */
export async function now(client: MongoClient): Promise<Timestamp> {
  const { operationTime } = await client.db('admin').command({ hello: 1 })
  return new Timestamp({ t: operationTime.t, i: operationTime.i + 1 })
}

/** Every event from `from` until now, read by a fresh change stream of the driver. */
export async function truth(client: MongoClient, scope: Scope, from: Timestamp): Promise<TrueEvent[]> {
  const { database, collection, pipeline = [] } = scope
  const db = client.db(database)
  const end = (await now(client)).toBigInt() - 1n
  const watched = collection === undefined ? db : db.collection(collection)
  const stream = watched.watch(pipeline, {
    startAtOperationTime: from,
    maxAwaitTimeMS: 50,
    batchSize: 10_000,
    // Otherwise one odd document ends the stream for ever.
    bsonRegExp: true,
    enableUtf8Validation: false,
  })
  const events: TrueEvent[] = []
  try {
    for (;;) {
      const event: Document | null = await stream.tryNext()
      if (event !== null) events.push(trueEvent(event))
      else if (timeOf(stream.resumeToken) >= end) return events
    }
  } finally {
    await stream.close()
  }
}

function trueEvent(event: Document): TrueEvent {
  const { ns, documentKey } = event
  const id = documentKey && BSON.EJSON.stringify(documentKey._id, { relaxed: false })
  return {
    token: event._id._data,
    order: `${event._id._data.slice(0, 60)}${event.operationType === 'delete' ? 0 : 1}`,
    operation: event.operationType,
    document: documentKey && `${ns.db}.${ns.coll}/${id}`,
    event,
  }
}

/** The cluster time at the head of a resume token. */
function timeOf(token: unknown): bigint {
  const data = (token as { _data?: string } | null | undefined)?._data
  return data === undefined ? 0n : BigInt(`0x${data.slice(2, 18)}`)
}

/** What is wrong with what arrived. */
export interface Verdict {
  /** Tokens of events that never arrived. */
  readonly lost: string[]
  /** Tokens that arrived and that MongoDB knows nothing of. */
  readonly unexpected: string[]
  /** Copies beside the first. */
  readonly duplicates: number
  /** Documents of which an event arrived for the first time after a newer one. */
  readonly disordered: string[]
  /** Orders that came with two message ids, and message ids that came with two orders. */
  readonly unstable: string[]
}

/** Nothing is wrong, duplicates apart. */
export const flawless = { lost: [], unexpected: [], disordered: [], unstable: [] }

/** Compares what arrived with the truth: one message per event is expected. */
export function check(expected: readonly TrueEvent[], received: readonly Received[]): Verdict {
  const places = new Map(expected.map(({ order, document }, place) => [order, { place, document }]))
  const ids = new Map<string, string>()
  const orders = new Map<string, string>()
  const newest = new Map<string, number>()
  const unexpected: string[] = []
  const disordered = new Set<string>()
  const unstable = new Set<string>()
  for (const { order = 'no order', messageId } of received) {
    if ((orders.get(messageId) ?? order) !== order) unstable.add(messageId)
    orders.set(messageId, order)
    const known = ids.get(order)
    if (known !== undefined && known !== messageId) unstable.add(order)
    if (known !== undefined) continue
    ids.set(order, messageId)
    const found = places.get(order)
    if (!found) unexpected.push(order)
    else if (found.document !== undefined) {
      if (found.place < (newest.get(found.document) ?? -1)) disordered.add(found.document)
      newest.set(found.document, found.place)
    }
  }
  return {
    lost: expected.map(({ order }) => order).filter(order => !ids.has(order)),
    unexpected,
    duplicates: received.length - ids.size,
    disordered: [...disordered],
    unstable: [...unstable],
  }
}

/** Whether every event has arrived. */
export function complete(expected: readonly TrueEvent[], received: readonly Received[]): boolean {
  if (received.length < expected.length) return false
  const orders = new Set(received.map(({ order }) => order))
  return expected.every(({ order }) => orders.has(order))
}

/** Waits until everything since `from` is there, then judges it. Not more than `over` events would prove nothing. */
export async function verdict(
  client: MongoClient,
  database: string,
  from: Timestamp,
  inbox: Inbox,
  over: number,
): Promise<Verdict> {
  const expected = await truth(client, { database }, from)
  if (expected.length <= over) throw new Error(`Expected more than ${over} events, got ${expected.length}`)
  await inbox
    .until(
      () => complete(expected, inbox.received),
      () => 'everything',
    )
    .catch(() => {}) // the verdict says more
  return check(expected, inbox.received)
}
