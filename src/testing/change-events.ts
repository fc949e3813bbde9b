import type {
  ChangeStreamDeleteDocument,
  ChangeStreamDocument,
  ChangeStreamDropDatabaseDocument,
  ChangeStreamDropDocument,
  ChangeStreamInsertDocument,
  ChangeStreamInvalidateDocument,
  ChangeStreamRenameDocument,
  ChangeStreamReplaceDocument,
  ChangeStreamUpdateDocument,
  Document,
  Timestamp,
} from 'mongodb'
import { resumeToken } from './resume-token.js'

/** Where the events of {@link changeEvents} happen. */
export interface ChangeEventsOptions {
  /** @default 'shop' */
  readonly database?: string
  /** @default 'orders' */
  readonly collection?: string
  /** Time of the first event; each further one is a millisecond and one step of the cluster time later. @default 2026-01-01 */
  readonly at?: Date
}

/** What an update did. */
export interface UpdateOptions<T> {
  /** Fields by path, `'address.city'` or `'lines.0.sku'`, as the server names them. */
  readonly set?: Document
  /** Paths of the fields that it removed. */
  readonly unset?: readonly string[]
  /** Arrays that it cut off, by path, each with its new length. */
  readonly truncatedArrays?: readonly { readonly field: string; readonly newSize: number }[]
  /** The document after it, as with `updateLookup`; `null`: it was gone when it was looked up. */
  readonly fullDocument?: T | null
  /** The document before it. */
  readonly before?: T
}

/** Makes change events of one collection, each later than the one before. */
export interface ChangeEvents<T extends Document> {
  /** An insert of this document; its `_id` is the key. */
  insert(document: T): ChangeStreamInsertDocument<T>
  /** An update of the document with this `_id`; without `update` nothing was set or removed. */
  update(id: unknown, update?: UpdateOptions<T>): ChangeStreamUpdateDocument<T>
  /** A replace by this document; `before` is the pre-image. */
  replace(document: T, options?: { readonly before?: T }): ChangeStreamReplaceDocument<T>
  /** A delete of the document with this `_id`; `before` is the pre-image. */
  delete(id: unknown, options?: { readonly before?: T }): ChangeStreamDeleteDocument<T>
  /** The drop of the collection. */
  drop(): ChangeStreamDropDocument
  /** The rename of the collection, within its database. */
  rename(collection: string): ChangeStreamRenameDocument
  /** The drop of the database. */
  dropDatabase(): ChangeStreamDropDatabaseDocument
  /** What a server sends when the watched collection or database is gone; of no namespace. */
  invalidate(): ChangeStreamInvalidateDocument
  /** One of the operations that only `showExpandedEvents` shows, such as `createIndexes`. */
  expanded(operationType: ExpandedOperation, operationDescription?: Document): ChangeStreamDocument<T>
  /** Gives these events one transaction: one cluster time, one session and number. */
  transaction<E extends ChangeStreamDocument<T>>(events: readonly E[]): E[]
}

/** Operations that only `showExpandedEvents` shows. */
export type ExpandedOperation =
  | 'create'
  | 'createIndexes'
  | 'dropIndexes'
  | 'modify'
  | 'shardCollection'
  | 'reshardCollection'
  | 'refineCollectionShardKey'

const COLLECTION_UUID = '0123456789abcdef0123456789abcdef'

/**
 * Change events for unit tests, in the fields and the order in which a server of version 6 sends them, with resume
 * tokens and cluster times that grow. The same calls give the same events. No server, no `mongodb` at run time.
 *
 * @example
 * import { changeEvents } from 'mongo-rabbit-cdc/testing'
 *
 * const events = changeEvents<{ _id: number; total: number }>({ collection: 'orders' })
 * const inserted = events.insert({ _id: 7, total: 12.5 })
 * const updated = events.update(7, { set: { total: 20 } })
 */
export function changeEvents<T extends Document = Document>(options: ChangeEventsOptions = {}): ChangeEvents<T> {
  const { database = 'shop', collection = 'orders', at = new Date('2026-01-01T00:00:00Z') } = options
  const start = at.getTime()
  const ns = { db: database, coll: collection }
  let count = 0
  let transactions = 0

  function make<E>(operationType: string, fields: object, key?: { readonly _id: unknown }, uuid = COLLECTION_UUID): E {
    const ms = start + count
    count += 1
    const clusterTime = { t: Math.floor(start / 1000), i: count }
    const collectionUuid = uuid === '' ? {} : { collectionUuid: uuid }
    return {
      _id: resumeToken({ clusterTime, ...collectionUuid, ...(key && { id: key._id }) }),
      operationType,
      clusterTime: new TestTimestamp(clusterTime.t, clusterTime.i) as unknown as Timestamp,
      wallTime: new Date(ms),
      ...fields,
    } as E
  }

  return {
    insert(document) {
      const documentKey = keyOf(document)
      return make('insert', { fullDocument: document, ns, documentKey }, documentKey)
    },
    update(id, { set = {}, unset = [], truncatedArrays = [], fullDocument, before } = {}) {
      const documentKey = { _id: id }
      const updateDescription = { updatedFields: set, removedFields: [...unset], truncatedArrays: [...truncatedArrays] }
      const full = fullDocument === undefined ? {} : { fullDocument }
      return make('update', { ...full, ns, documentKey, updateDescription, ...imageOf(before) }, documentKey)
    },
    replace(document, { before } = {}) {
      const documentKey = keyOf(document)
      return make('replace', { fullDocument: document, ns, documentKey, ...imageOf(before) }, documentKey)
    },
    delete(id, { before } = {}) {
      const documentKey = { _id: id }
      return make('delete', { ns, documentKey, ...imageOf(before) }, documentKey)
    },
    drop: () => make('drop', { ns }),
    rename: to => make('rename', { ns, to: { db: database, coll: to } }),
    dropDatabase: () => make('dropDatabase', { ns: { db: database } }, undefined, ''),
    invalidate: () => make('invalidate', {}, undefined, ''),
    expanded: (operationType, operationDescription) =>
      make(operationType, { ns, ...(operationDescription && { operationDescription }) }),
    transaction(events) {
      transactions += 1
      const [first] = events
      const lsid = { id: `00000000-0000-4000-8000-${String(transactions).padStart(12, '0')}`, uid: '' }
      return events.map(event => {
        return { ...event, clusterTime: first?.clusterTime, lsid, txnNumber: transactions } as unknown as typeof event
      })
    },
  }
}

function keyOf(document: Document): { readonly _id: unknown } {
  if (Object.hasOwn(document, '_id')) return { _id: document._id }
  throw new TypeError('Expected the document to have an `_id`, as every stored document has')
}

function imageOf<T>(before: T | undefined): object {
  return before === undefined ? {} : { fullDocumentBeforeChange: before }
}

/** As the driver's `Timestamp` in all that is read of it; that class itself would need the driver. */
class TestTimestamp {
  readonly high: number
  readonly low: number
  readonly unsigned = true

  constructor(t: number, i: number) {
    this.high = t | 0
    this.low = i | 0
  }

  get _bsontype(): 'Timestamp' {
    return 'Timestamp'
  }

  get [Symbol.for('@@mdb.bson.version')](): number {
    return 7
  }

  /** By which the BSON library tells its classes from a document's field, from its major 7 on. */
  get [Symbol.for('@@mdb.bson.type')](): 'Timestamp' {
    return 'Timestamp'
  }

  getLowBits(): number {
    return this.low
  }

  getHighBits(): number {
    return this.high
  }

  get t(): number {
    return this.high >>> 0
  }

  get i(): number {
    return this.low >>> 0
  }

  toJSON(): object {
    return { $timestamp: { t: this.t, i: this.i } }
  }
}
