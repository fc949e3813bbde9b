import type { PipelineEvents } from '../events.js'
import { assertFunction, assertInteger, assertKnown, assertMethods, DAY_MS, resolveBackOff } from '../options.js'
import type { BackOffOptions } from '../retry.js'
import { type DeleteFailure, deleteInBatches } from './delete-in-batches.js'

/** Options of {@link deleteAfterConfirm}. */
export interface DeleteAfterConfirmOptions {
  /** Entries that are deleted at once; from 1 to 10,000. Too small: many commands. @default 500 */
  readonly batchSize?: number
  /** Longest wait for a batch to fill, in milliseconds; from 1 to a day. @default 1000 */
  readonly intervalMs?: number
  /** Delays after a delete that failed. */
  readonly retry?: BackOffOptions
  /**
   * Told of each delete that failed. It is tried again while the pipeline runs.
   *
   * @default nobody is told
   */
  readonly onError?: (failure: DeleteFailure) => void
}

/** What {@link deleteAfterConfirm} returns. */
export interface OutboxCleaner {
  /** Deletes what waits, once, and ends. Never rejects. Call it after the pipeline's `stop()`, before the client closes. */
  stop(): Promise<void>
}

/** What is needed of a pipeline. */
export interface PublishingPipeline {
  /** Calls the listener at each event of this name. */
  on<Name extends 'published' | 'stopped'>(name: Name, listener: PipelineEvents[Name]): unknown
  /** Removes a listener. */
  off<Name extends 'published' | 'stopped'>(name: Name, listener: PipelineEvents[Name]): unknown
}

/** What is needed of the driver's collection. */
export interface DeletableCollection {
  readonly dbName: string
  readonly collectionName: string
  /** The ids are those that the events tell; of which type they are the compiler can't know. */
  deleteMany(filter: { readonly _id: { readonly $in: never[] } }): Promise<unknown>
}

interface PublishedEvent {
  readonly operationType?: string
  readonly ns?: { readonly db?: string; readonly coll?: string }
  readonly documentKey?: { readonly _id?: unknown }
}

/**
 * Deletes the entries of an outbox when RabbitMQ has confirmed them, in batches. Deleting is tidying up: it never holds
 * up or fails the pipeline, and an entry that stays (a crash, a delete that was refused) is not published again, since
 * the pipeline reads changes and not the collection.
 *
 * @param pipeline Before it is started, or confirms are missed.
 * @param collection The outbox; of events of other collections nothing is deleted.
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`
 */
export function deleteAfterConfirm(
  pipeline: PublishingPipeline,
  collection: DeletableCollection,
  options: DeleteAfterConfirmOptions = {},
): OutboxCleaner {
  assertKnown('deleteAfterConfirm', options, ['batchSize', 'intervalMs', 'retry', 'onError'])
  assertMethods('pipeline', pipeline, ['on', 'off'])
  assertMethods('collection', collection, ['deleteMany'])
  const { batchSize = 500, intervalMs = 1_000, retry = {}, onError = () => {} } = options
  assertInteger('batchSize', batchSize, 1, 10_000)
  assertInteger('intervalMs', intervalMs, 1, DAY_MS)
  assertFunction('onError', onError)
  const batches = deleteInBatches({
    remove: ids => collection.deleteMany({ _id: { $in: ids as never[] } }),
    batchSize,
    intervalMs,
    backOff: resolveBackOff('retry', retry),
    onError,
  })
  const isEntry = ({ operationType, ns }: PublishedEvent): boolean =>
    operationType === 'insert' && ns?.db === collection.dbName && ns.coll === collection.collectionName

  function published({ event }: { readonly event: unknown }): void {
    const { documentKey } = event as PublishedEvent
    if (isEntry(event as PublishedEvent) && documentKey) batches.add(documentKey._id)
  }
  function stop(): Promise<void> {
    pipeline.off('published', published)
    pipeline.off('stopped', stop)
    return batches.end()
  }
  pipeline.on('published', published)
  pipeline.on('stopped', stop)
  return { stop }
}
