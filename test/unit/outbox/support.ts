import type { ChangeStreamDocument } from 'mongodb'
import { insertEvent } from '../message/events.js'

export const entry = {
  _id: 'e1',
  aggregateType: 'order',
  aggregateId: 7,
  type: 'placed',
  payload: { total: 5 },
  at: new Date('2023-11-28T12:44:48.123Z'),
}

/** The insert of an entry as the stream tells it. */
export function inserted(changes: object = {}): ChangeStreamDocument {
  const fullDocument = { ...entry, ...changes }
  const ns = { db: 'shop', coll: 'outbox' }
  return { ...insertEvent, ns, documentKey: { _id: fullDocument._id }, fullDocument } as unknown as ChangeStreamDocument
}
