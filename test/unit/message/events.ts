import {
  type ChangeStreamDeleteDocument,
  type ChangeStreamDocument,
  type ChangeStreamInsertDocument,
  type ChangeStreamReplaceDocument,
  type ChangeStreamUpdateDocument,
  Int32,
  Long,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb'

/** One change event per operation, as the driver gives them without `showExpandedEvents`. */

const _id = new ObjectId('0123456789abcdef01234567')
const common = {
  _id: { _data: '826565E0C0000000012B0229296E04' },
  clusterTime: new Timestamp({ t: 1701175488, i: 1 }),
  wallTime: new Date('2023-11-28T12:44:48.123Z'),
}
const inOrders = { ns: { db: 'shop', coll: 'orders' }, documentKey: { _id } }
const before = { _id, status: 'new' }

export const insertEvent = {
  ...common,
  operationType: 'insert',
  ...inOrders,
  fullDocument: { _id, status: 'new', total: Long.fromString('9007199254740993'), at: new Date(0) },
} as unknown as ChangeStreamInsertDocument
export const updateEvent = {
  ...common,
  operationType: 'update',
  ...inOrders,
  updateDescription: { updatedFields: { status: 'paid' }, removedFields: ['note'], truncatedArrays: [] },
  fullDocument: { _id, status: 'paid' },
  fullDocumentBeforeChange: before,
} as unknown as ChangeStreamUpdateDocument
export const replaceEvent = {
  ...common,
  operationType: 'replace',
  ...inOrders,
  fullDocument: { _id, status: 'paid' },
} as unknown as ChangeStreamReplaceDocument
export const deleteEvent = {
  ...common,
  operationType: 'delete',
  ...inOrders,
  fullDocumentBeforeChange: before,
} as unknown as ChangeStreamDeleteDocument
export const renameEvent: ChangeStreamDocument = {
  ...common,
  operationType: 'rename',
  ns: { db: 'shop', coll: 'orders' },
  to: { db: 'shop', coll: 'orders_2023' },
  collectionUUID: new UUID('01234567-89ab-cdef-0123-456789abcdef'),
}
export const dropEvent: ChangeStreamDocument = {
  ...common,
  operationType: 'drop',
  ns: { db: 'shop', coll: 'orders' },
} as unknown as ChangeStreamDocument
export const createIndexesEvent: ChangeStreamDocument = {
  ...common,
  operationType: 'createIndexes',
  ns: { db: 'shop', coll: 'orders' },
  collectionUUID: new UUID('01234567-89ab-cdef-0123-456789abcdef'),
  operationDescription: { indexes: [{ v: 2, key: { status: 1 }, name: 'status_1' }] },
} as unknown as ChangeStreamDocument
export const dropDatabaseEvent: ChangeStreamDocument = {
  ...common,
  operationType: 'dropDatabase',
  ns: { db: 'shop' },
}
export const invalidateEvent: ChangeStreamDocument = { ...common, operationType: 'invalidate' }
export const transactionEvent: ChangeStreamDocument = {
  ...insertEvent,
  fullDocument: { _id, n: new Int32(1) },
  lsid: { id: new UUID('01234567-89ab-cdef-0123-456789abcdef') },
  txnNumber: 7,
}
