import type { Collection, Document, Filter, FindOneAndUpdateOptions, UpdateFilter } from 'mongodb'
import type { LeaseRequest } from '../types.js'
import { writeOptions } from './mongo-document.js'

/**
 * The lease, in the document of the checkpoint, so that one write compares the epoch and sets the position. Times are
 * the server's (`$$NOW`): the clocks of the instances don't count. Without `expiresAt` nobody has it; the epoch stays.
 * Epochs are no less than the time in milliseconds: none comes again where the document was deleted, or is an old one.
 */
export interface StoredLease {
  readonly epoch: number
  readonly holder?: string
  readonly expiresAt?: Date
}

/** What of a document concerns the lease. */
export interface LeasedDocument {
  readonly _id: string
  readonly lease?: StoredLease
}

/** The collection, for whom only the leases count. */
export type Leased = Collection<LeasedDocument>

/** Nobody has a lease that is good; also true of a document without one, as nothing is less than a date. */
export const lapsed: Document = { $lte: ['$lease.expiresAt', '$$NOW'] }

const options = {
  ...writeOptions,
  upsert: true,
  returnDocument: 'after',
  projection: { lease: 1 },
} as const satisfies FindOneAndUpdateOptions

/**
 * One attempt: the epoch, unless another has it. The condition stands in the update, not in the filter: the server
 * allows no `$expr` in the filter of an upsert. A document whose lease another has is written as it was, which the
 * server makes no write of.
 */
export async function acquireLease(
  documents: Leased,
  { name, holder, ttlMs }: LeaseRequest,
): Promise<number | undefined> {
  const mine = { $eq: ['$lease.holder', { $literal: holder }] }
  const given = {
    holder: { $literal: holder },
    epoch: { $max: [{ $add: ['$lease.epoch', 1] }, { $toLong: '$$NOW' }] },
    expiresAt: { $add: ['$$NOW', ttlMs] },
  }
  const update: Document[] = [{ $set: { lease: { $cond: [{ $or: [lapsed, mine] }, given, '$lease'] } } }]
  const found = await documents.findOneAndUpdate({ _id: name }, update, options).catch(unlessOneWasFaster)
  return found?.lease?.holder === holder ? found.lease.epoch : undefined
}

/**
 * Whether it is still ours. Also one that has run out: as long as nobody else has got it, nobody else publishes. The
 * collection is asked for anew each time, as its client may be another one by now.
 */
export async function renewLease(documents: Leased, ours: Filter<LeasedDocument>, ttlMs: number): Promise<boolean> {
  const longer: Document[] = [{ $set: { 'lease.expiresAt': { $add: ['$$NOW', ttlMs] } } }]
  const { matchedCount } = await documents.updateOne(ours, longer, writeOptions)
  return matchedCount === 1
}

/** Does nothing where somebody else has it. */
export async function releaseLease(documents: Leased, ours: Filter<LeasedDocument>): Promise<void> {
  const free: UpdateFilter<LeasedDocument> = { $unset: { 'lease.holder': '', 'lease.expiresAt': '' } }
  await documents.updateOne(ours, free, writeOptions)
}

/** Two upserts of one name at once: the server takes the second for a duplicate. It finds the document next time. */
function unlessOneWasFaster(error: unknown): undefined {
  if (!isDuplicate(error)) throw error
}

/** Whether the server refused to insert a second document of one `_id`. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 11_000
}
