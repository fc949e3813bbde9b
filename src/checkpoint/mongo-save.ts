import type { Collection, Document } from 'mongodb'
import { fenced } from './errors.js'
import { type SavedFields, type StoredDocument, writeOptions } from './mongo-document.js'
import { isDuplicate, lapsed } from './mongo-lease.js'

/** Saves under an epoch: compares and sets in one write. @throws CheckpointError `CDC_FENCED` */
export async function saveUnderLease(
  documents: Collection<StoredDocument>,
  name: string,
  epoch: number,
  fields: SavedFields,
  where: string,
): Promise<void> {
  const ours: Document = { _id: name, 'lease.epoch': epoch }
  // `$set`, not a replacement: fields beside the position stay.
  const { matchedCount } = await documents.updateOne(ours, { $set: fields }, writeOptions)
  if (matchedCount === 0) throw fenced(where, epoch)
}

/**
 * Saves without a lease: one write, as long as nobody has had one. A lease that has run out is taken away, and its epoch
 * goes on, so that whoever had it is refused when it comes back. @throws CheckpointError `CDC_FENCED`
 */
export async function saveFreely(
  documents: Collection<StoredDocument>,
  name: string,
  fields: SavedFields,
  where: string,
): Promise<void> {
  const free: Document = { _id: name, 'lease.expiresAt': { $exists: false } }
  try {
    await documents.updateOne(free, { $set: fields }, { ...writeOptions, upsert: true })
  } catch (error) {
    if (!isDuplicate(error)) throw error
    await saveOverLapsed(documents, name, fields, where)
  }
}

/** The document is there and isn't free; or another process has made it in the same moment. */
async function saveOverLapsed(
  documents: Collection<StoredDocument>,
  name: string,
  fields: SavedFields,
  where: string,
): Promise<void> {
  const literals = Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, { $literal: value }]))
  const next = { epoch: { $add: ['$lease.epoch', 1] } }
  const lease = { $cond: [{ $eq: [{ $type: '$lease' }, 'missing'] }, '$$REMOVE', next] }
  const notHeld: Document = { _id: name, $expr: lapsed }
  const { matchedCount } = await documents.updateOne(notHeld, [{ $set: { ...literals, lease } }], writeOptions)
  if (matchedCount === 0) throw fenced(where, undefined)
}
