import { entryId } from '../message/entry-id.js'

/** What `byAggregate` reads of an event; every event of a change stream fits. */
interface OutboxEvent {
  readonly operationType: string
  readonly documentKey?: { readonly _id?: unknown }
  readonly fullDocument?: { readonly aggregateType?: unknown; readonly aggregateId?: unknown } | null
}

/**
 * The pipeline's `ordering` for an outbox: entries of one aggregate are published one after the other, in the order in
 * which their transactions were committed; those of different aggregates don't wait for each other. Events without an
 * entry, such as deletes, wait for nobody.
 *
 * @example
 * import { byAggregate } from 'mongo-rabbit-cdc'
 *
 * const options = { ordering: byAggregate }
 */
export function byAggregate(event: object): string {
  const { documentKey, fullDocument } = event as OutboxEvent
  if (!fullDocument) return `entry/${entryId(documentKey?._id)}`
  return `${fullDocument.aggregateType}/${entryId(fullDocument.aggregateId)}`
}
