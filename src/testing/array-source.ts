import { orderingKey } from '../source/document-key.js'
import type { ClusterTime, Position, Source, SourceRecord } from '../types.js'

/** How an {@link arraySource} behaves. */
export interface ArraySourceOptions {
  /** Events per batch; from 1. @default 100 */
  readonly batchSize?: number
  /** Stay open behind the last event, as a real stream does; otherwise the pipeline ends there. @default false */
  readonly keepOpen?: boolean
}

/** A source over an array, to which events can be added while it is open. */
export interface ArraySource<E> extends Source<E> {
  /** Adds events behind the others. */
  push(...events: readonly E[]): void
  /** Fails the stream with this error, as a source does with what it can't heal. */
  fail(error: unknown): void
  /** Ends the stream behind the last event, also with `keepOpen`. */
  end(): void
}

interface EventFields {
  readonly _id?: { readonly _data?: unknown }
  readonly ns?: { readonly db?: string; readonly coll?: string }
  readonly documentKey?: { readonly _id?: unknown }
}

/**
 * A source that reads from an array: change events, for instance of `changeEvents()`, or anything else. It goes on
 * after a saved position as a real one does, so restarts can be tested. Change events of one document have one ordering
 * key; other items have one each, so that they don't wait for each other.
 *
 * @example
 * import { createCdcPipeline, changeEventMessage, memoryCheckpointStore } from 'mongo-rabbit-cdc'
 * import { arraySource, changeEvents, collectingSink } from 'mongo-rabbit-cdc/testing'
 *
 * const sink = collectingSink()
 * const pipeline = createCdcPipeline({
 *   name: 'test',
 *   source: arraySource([changeEvents().insert({ _id: 1 })]),
 *   transform: changeEventMessage(),
 *   sink,
 *   checkpointStore: memoryCheckpointStore(),
 * })
 * await pipeline.run()
 * console.log(sink.messages.length) // 1
 */
export function arraySource<E>(events: readonly E[], options: ArraySourceOptions = {}): ArraySource<E> {
  const { batchSize = 100, keepOpen = false } = options
  const items = [...events]
  let ended = !keepOpen
  let failure: { readonly error: unknown } | undefined
  let wake: (() => void) | undefined

  return {
    async *open({ after, signal }) {
      let next = after === undefined ? 0 : after.clusterTime.i
      const onAbort = (): void => wake?.()
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        yield []
        while (!signal.aborted) {
          const batch = items.slice(next, next + batchSize).map((event, index) => recordOf(event, next + index + 1))
          next += batch.length
          if (batch.length > 0) yield batch
          else if (failure) throw failure.error
          else if (ended) return
          else await new Promise<void>(resolve => (wake = resolve))
        }
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    },
    async startPosition() {
      return positionAt(0)
    },
    push(...more) {
      items.push(...more)
      wake?.()
    },
    fail(error) {
      failure = { error }
      wake?.()
    },
    end() {
      ended = true
      wake?.()
    },
  }
}

/** The position after the first `count` items. Its cluster time is a count: items need not have a time. */
function positionAt(count: number): Position {
  const clusterTime: ClusterTime = { t: 1, i: count }
  return { kind: 'event', clusterTime, token: { _data: `array-${count}` } }
}

function recordOf<E>(event: E, count: number): SourceRecord<E> {
  const { _id, ns, documentKey } = (typeof event === 'object' && event !== null ? event : {}) as EventFields
  const isChange = typeof _id?._data === 'string'
  const key =
    ns?.db !== undefined && ns.coll !== undefined && documentKey !== undefined && Object.hasOwn(documentKey, '_id')
      ? orderingKey(ns.db, ns.coll, documentKey._id)
      : undefined
  return {
    position: positionAt(count),
    id: isChange ? String(_id._data) : `item-${count}`,
    event,
    // A change without a document is a barrier; of other items nothing is known, so none waits for another.
    ...(key !== undefined ? { key } : !isChange && { key: `item-${count}` }),
  }
}
