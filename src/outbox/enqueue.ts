import { OptionsError } from '../errors.js'
import { checkEntry, type NewOutboxEntry, type OutboxEntry } from './entry.js'

/** What `enqueue` needs of the driver's collection. */
export interface OutboxCollection<Session> {
  // What a session is, the session says: inferred from here as well, it would be what both have in common.
  /** Writes one entry in the transaction of the session; the driver makes its `_id`. */
  insertOne(document: Omit<OutboxEntry, '_id'>, options: { readonly session: NoInfer<Session> }): Promise<unknown>
}

/**
 * Writes one entry into the outbox, in the transaction of the session: it is published if, and only if, the transaction
 * is committed. Errors of the driver pass as they are, so that `withTransaction` sees what it may repeat.
 *
 * @param collection The outbox, a collection of the driver.
 * @param session Of the transaction in which the business data is written.
 * @param entry What is to be published. Its payload counts towards the 16 MiB of a document.
 * @throws OptionsError `CDC_OUTBOX_NO_TRANSACTION` when the session is in no transaction, TransformError
 * `CDC_OUTBOX_ENTRY_INVALID`; nothing was written then.
 *
 * @example
 * import { enqueue, type OutboxEntry } from 'mongo-rabbit-cdc'
 * import { MongoClient } from 'mongodb'
 *
 * const client = new MongoClient('mongodb://localhost/?replicaSet=rs0')
 * const outbox = client.db('shop').collection<OutboxEntry>('outbox')
 *
 * await client.withSession(session =>
 *   session.withTransaction(async () => {
 *     await client.db('shop').collection('orders').insertOne({ total: 5 }, { session })
 *     await enqueue(outbox, session, { aggregateType: 'order', aggregateId: 7, type: 'placed', payload: { total: 5 } })
 *   }),
 * )
 */
export async function enqueue<Session extends { inTransaction(): boolean }>(
  collection: OutboxCollection<Session>,
  session: Session,
  entry: NewOutboxEntry,
): Promise<void> {
  if (typeof session?.inTransaction !== 'function' || !session.inTransaction()) {
    throw new OptionsError('CDC_OUTBOX_NO_TRANSACTION', 'Expected `session` of enqueue to be in a transaction', {
      hint: 'call it within `session.withTransaction(…)`, with that session',
    })
  }
  const { aggregateType, aggregateId, type, payload, headers } = checkEntry(entry)
  const document = { aggregateType, aggregateId, type, payload, ...(headers && { headers }), at: new Date() }
  await collection.insertOne(document, { session })
}
