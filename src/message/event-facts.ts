import { hasDocument } from '../deferred-document.js'
import { type DocumentImage, documentImageOf } from '../document-image.js'
import { entryId } from './entry-id.js'

/**
 * What message shapes take: every event of a change stream, also one that a step before has changed, with another
 * document or another `_id` in it. A bare document is none.
 */
export interface ChangeEvent {
  readonly operationType: string
  readonly ns?: { readonly db?: string; readonly coll?: string } | undefined
  readonly documentKey?: { readonly _id?: unknown } | undefined
  readonly fullDocument?: object | null | undefined
}

/**
 * What a change event tells about itself, read by shape: a transform may have removed fields, and which of them an
 * event has depends on its operation and on the server's version.
 */
interface EventFields {
  readonly _id?: { readonly _data?: unknown }
  readonly ns?: { readonly db?: string; readonly coll?: string }
  readonly documentKey?: { readonly _id?: unknown }
  readonly fullDocument?: object | null
  readonly clusterTime?: { readonly high: number; readonly low: number }
  readonly wallTime?: Date
  readonly lsid?: { readonly id?: unknown }
  readonly txnNumber?: unknown
}

function fieldsOf(event: ChangeEvent): EventFields {
  return event as unknown as EventFields
}

/** Database and collection, where the event has them. */
export function namespaceOf(event: ChangeEvent): { db: string | undefined; coll: string | undefined } {
  const { ns } = fieldsOf(event)
  return { db: ns?.db, coll: ns?.coll }
}

/** The `_id` of the document, from its key, else from the document. */
export function documentIdOf(event: ChangeEvent): unknown {
  const { documentKey } = fieldsOf(event)
  // Not `??`: `null` is an id too. And the document is only read where it has to be.
  if (documentKey?._id !== undefined) return documentKey._id
  return (fullDocumentOf(event) as { readonly _id?: unknown } | undefined)?._id
}

/** The document after the change; absent for deletes, and for updates that weren't or couldn't be looked up. */
export function fullDocumentOf(event: ChangeEvent): object | undefined {
  return fieldsOf(event).fullDocument ?? undefined
}

/** Seconds and counter, padded: texts sort like the times. */
export function clusterTimeOf(event: ChangeEvent): string | undefined {
  const { clusterTime } = fieldsOf(event)
  if (clusterTime === undefined) return undefined
  return `${secondText(clusterTime.high)}${tenDigits(clusterTime.low)}`
}

let lastHigh = 0
let lastSecondText = `${tenDigits(0)}.`

/** Most events of a stream are of the same second as the one before. */
function secondText(high: number): string {
  if (high !== lastHigh) {
    lastHigh = high
    lastSecondText = `${tenDigits(high)}.`
  }
  return lastSecondText
}

function tenDigits(half: number): string {
  return String(half >>> 0).padStart(10, '0')
}

/** When the change was made, in milliseconds since 1970: by the server's clock, else by the cluster time. */
export function changedAt(event: ChangeEvent): number | undefined {
  const { wallTime, clusterTime } = fieldsOf(event)
  const ms = wallTime?.getTime()
  if (ms !== undefined && ms >= 0) return ms
  return clusterTime === undefined ? undefined : (clusterTime.high >>> 0) * 1000
}

/** The same in whole seconds, as AMQP has it. */
export function secondsOf(event: ChangeEvent): number | undefined {
  const ms = changedAt(event)
  return ms === undefined ? undefined : Math.floor(ms / 1000)
}

/** The sortable text of the resume token. */
export function tokenOf(event: ChangeEvent): string | undefined {
  const data = fieldsOf(event)._id?._data
  return typeof data === 'string' ? data : undefined
}

/** Enough of a token for the order of the stream, and short: RabbitMQ is slower with headers of more than 64 bytes. */
const ORDER_DIGITS = 60

/**
 * The head of the resume token: the time, and the place among the changes of that time. What follows are collection and
 * document. Only an update that moves a document to another shard is two changes of one document with the same head: its
 * delete comes before its insert.
 *
 * @see https://github.com/mongodb/mongo/blob/master/src/mongo/db/pipeline/resume_token.h
 */
export function orderOf(event: ChangeEvent): string | undefined {
  const head = tokenOf(event)?.slice(0, ORDER_DIGITS)
  return head === undefined ? undefined : `${head}${event.operationType === 'delete' ? '0' : '1'}`
}

/**
 * The transaction that the change was part of: the id of its session and its number there. The server says neither of
 * other changes.
 */
export function transactionOf(event: ChangeEvent): string | undefined {
  const { lsid, txnNumber } = fieldsOf(event)
  if (lsid?.id === undefined || txnNumber === undefined) return undefined
  return `${entryId(lsid.id)}:${entryId(txnNumber)}`
}

/**
 * Where `fullDocument` comes from: `event`, the change itself (insert, replace), or what the source has said of it;
 * `undefined` when there is none, or nobody has said. That an event was cut is said of every one.
 */
export function documentOriginOf(event: ChangeEvent, original: unknown): 'event' | DocumentImage | undefined {
  // A step before may have built the event anew, without what the source had put on it.
  const image = documentImageOf(event) ?? documentImageOf(original)
  if (image === 'oversized' || image === 're-read') return image
  if (!hasDocument(event, 'fullDocument')) return undefined
  const { operationType } = event
  return operationType === 'insert' || operationType === 'replace' ? 'event' : image
}
