import { type EjsonMode, ejsonText } from './ejson-encoder.js'
import { entryId } from './entry-id.js'
import { type ChangeEvent, changedAt, namespaceOf } from './event-facts.js'

/** What the envelope holds beside the event. */
export interface DebeziumContext {
  readonly name: string
  readonly version: string
  readonly ejson: EjsonMode
  /** The time of the connector, in milliseconds since 1970. */
  readonly now: number
}

/** The parts of an event that the envelope has, read by shape: a transform may have removed some. */
interface Change {
  readonly operationType: string
  readonly fullDocument?: object | null
  readonly fullDocumentBeforeChange?: object | null
  readonly updateDescription?: {
    readonly removedFields?: readonly string[] | null
    readonly updatedFields?: object | null
    readonly truncatedArrays?: readonly { readonly field: string; readonly newSize: unknown }[] | null
  }
  readonly clusterTime?: { readonly low: number }
  readonly lsid?: object
  readonly txnNumber?: unknown
  readonly wallTime?: Date
}

const OPERATIONS: Readonly<Record<string, string>> = { insert: 'c', update: 'u', replace: 'u', delete: 'd' }

/**
 * The value of a Debezium record, with its fields in the order of the connector's schema; what is absent is `null`.
 * Fields after `MongoDbSchema`, `MongoDbSourceInfoStructMaker` and `MongoDbCollectionSchema` of Debezium 3.
 */
export function debeziumValue(event: ChangeEvent, { name, version, ejson, now }: DebeziumContext): object {
  const change = event as unknown as Change
  const { operationType, fullDocument, fullDocumentBeforeChange } = change
  const text = (document: object | null | undefined): string | null => (document ? ejsonText(document, ejson) : null)
  return {
    // The connector leaves `before` out of inserts and `after` out of deletes, whatever the event has.
    before: operationType === 'insert' ? null : text(fullDocumentBeforeChange),
    after: operationType === 'delete' ? null : text(fullDocument),
    updateDescription: operationType === 'update' ? updateDescriptionOf(change, text) : null,
    source: sourceOf(event, name, version, text),
    op: OPERATIONS[operationType],
    ts_ms: now,
    transaction: null,
  }
}

function updateDescriptionOf(
  { updateDescription }: Change,
  text: (document: object | null | undefined) => string | null,
): object | null {
  if (updateDescription === undefined) return null
  const { removedFields, updatedFields, truncatedArrays } = updateDescription
  return {
    removedFields: removedFields?.length ? removedFields : null,
    updatedFields: text(updatedFields),
    truncatedArrays: truncatedArrays?.length
      ? truncatedArrays.map(({ field, newSize }) => ({ field, size: Number(newSize) }))
      : null,
  }
}

function sourceOf(
  event: ChangeEvent,
  name: string,
  version: string,
  text: (document: object | null | undefined) => string | null,
): object {
  const { clusterTime, lsid, txnNumber, wallTime } = event as unknown as Change
  const { db = null, coll = null } = namespaceOf(event)
  const ms = changedAt(event) ?? 0
  return {
    version,
    connector: 'mongodb',
    name,
    ts_ms: ms,
    snapshot: 'false',
    db,
    sequence: null,
    ts_us: ms * 1e3,
    ts_ns: ms * 1e6, // beyond 2^53, but a double prints the shortest digits that name it: these, and zeros
    collection: coll,
    ord: clusterTime === undefined ? 0 : clusterTime.low | 0,
    lsid: text(lsid),
    txnNumber: txnNumber === undefined ? null : Number(entryId(txnNumber)),
    wallTime: wallTime === undefined ? null : wallTime.getTime(),
  }
}
