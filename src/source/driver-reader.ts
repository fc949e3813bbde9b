import type { BSON, ChangeStream, ChangeStreamDocument } from 'mongodb'
import { settledWithin } from '../waiting.js'
import type { ReaderSetup } from './command-reader.js'
import type { ChangeEvent, RawEvent, Reader, ReaderBatch, ResumeTokenDocument } from './reader.js'

const CLOSE_MS = 1_000

/** What this reader needs more: the driver takes its wait from the start, and gives no sizes. */
export interface DriverReaderSetup extends ReaderSetup {
  readonly maxAwaitTimeMS: number
  readonly calculateObjectSize: typeof BSON.calculateObjectSize
}

/**
 * Reads with the driver's own change stream, for what raw commands can't serve: several mongos, client-side encryption,
 * other read preferences. One `tryNext()` at a time (two at once are an error); a mark is only taken after a `null`,
 * since before it the driver's token may be ahead of what it has returned.
 * @see https://www.mongodb.com/docs/drivers/node/current/monitoring-and-logging/change-streams/
 */
export function openDriverReader(setup: DriverReaderSetup): Reader {
  const { client, watch, start, batchSize, promoteValues, maxAwaitTimeMS, calculateObjectSize } = setup
  const { allChangesForCluster, ...options } = watch.options
  const db = client.db(watch.database)
  const target = allChangesForCluster ? client : watch.collection === undefined ? db : db.collection(watch.collection)
  const stream: ChangeStream = target.watch([...watch.stages], {
    ...options,
    ...start,
    batchSize,
    maxAwaitTimeMS,
    promoteValues,
    promoteLongs: promoteValues,
    promoteBuffers: false,
    useBigInt64: false,
    bsonRegExp: true,
    enableUtf8Validation: false,
    raw: false,
  })
  let pending: Promise<ChangeStreamDocument | null> | undefined

  async function nextBatch(): Promise<ReaderBatch> {
    const events: RawEvent[] = []
    let drained = false
    for (;;) {
      pending ??= stream.tryNext()
      // What the driver holds already comes at once; the first event that has to be fetched ends this batch.
      const next = events.length === 0 ? await pending : await Promise.race([pending, turnOfTheLoop()])
      if (next === 'later') break
      pending = undefined
      if (next === null) {
        drained = true
        break
      }
      events.push({ event: next as unknown as ChangeEvent, size: calculateObjectSize(next) })
      if (next.operationType === 'invalidate' || events.length >= batchSize) break
    }
    const closed = stream.closed || events.at(-1)?.event.operationType === 'invalidate'
    // Also of a closed stream: where a filter hides the invalidate, this is the only way past it.
    const highWaterMark = drained ? (stream.resumeToken as ResumeTokenDocument | null) : undefined
    return { events, closed, ...(highWaterMark && { highWaterMark }) }
  }

  async function close(): Promise<void> {
    pending?.catch(() => undefined) // it rejects when the stream is closed under it
    await settledWithin(stream.close(), CLOSE_MS)
  }

  return { nextBatch, close }
}

function turnOfTheLoop(): Promise<'later'> {
  return new Promise(resolve => setImmediate(resolve, 'later'))
}
