import type { Document } from 'mongodb'
import { markImage } from '../document-image.js'
import type { ChangeEvent, RawEvent, Reader } from './reader.js'
import type { Found } from './reread-document.js'

/**
 * An event that is larger than the server can send fails its whole batch with error 10334, and each time it is asked for
 * again. So it is approached: the events before it one by one, then it alone, cut, then the stream goes on behind it.
 * Every step goes on behind what was handed out last, so that a fault in between only means to begin anew.
 */

/**
 * How the stream is read, each one tried after the one before met the error. `batches`: normally. `one-by-one`: up to
 * the event. `cut`: without its images and its `updateDescription`. `key`: without all but the few fields that are
 * small, where a stage of `pipeline` has put what is large into others.
 */
export const approaches = ['batches', 'one-by-one', 'cut', 'key'] as const
export type Approach = (typeof approaches)[number]

/** What to try after this one met the error; `undefined` when there is nothing left. */
export function nextApproach(approach: Approach): Approach | undefined {
  return approaches[approaches.indexOf(approach) + 1]
}

const SMALL = ['operationType', 'ns', 'to', 'documentKey', 'clusterTime', 'wallTime', 'lsid', 'txnNumber']

/** The stages that make the event small, behind all others: what a filter looks at must still be there. */
export function stagesOf(approach: Approach): readonly Document[] {
  switch (approach) {
    case 'batches':
    case 'one-by-one':
      return []
    case 'cut':
      return [{ $project: { fullDocument: 0, fullDocumentBeforeChange: 0, updateDescription: 0 } }]
    case 'key':
      return [{ $project: Object.fromEntries(SMALL.map(name => [name, 1])) }]
  }
}

/** What a reader needs to approach an event. */
export interface Approaching {
  /** In how many events the one that is too large must have come. */
  readonly within: number
  /** The present document of an event that would carry one; `undefined` when it can't be had. */
  readonly reread: (event: ChangeEvent) => Promise<Found | undefined>
}

/** The reader of an approach, which hands over as soon as the event is behind it. */
export function approach(reader: Reader, how: Approach, { within, reread }: Approaching): Reader {
  switch (how) {
    case 'batches':
      return reader
    case 'one-by-one':
      return readWithin(reader, within)
    case 'cut':
    case 'key':
      return readOne(reader, reread)
  }
}

/** A document that is looked up may have become small meanwhile: then there is no error, and one by one is slow. */
function readWithin(reader: Reader, limit: number): Reader {
  let left = limit
  return {
    close: () => reader.close(),
    async nextBatch(maxTimeMs) {
      const batch = await reader.nextBatch(maxTimeMs)
      left -= batch.events.length
      return left > 0 ? batch : { ...batch, handover: true }
    },
  }
}

/** The one event that this reader is for. A mark behind it is left to the next reader. */
function readOne(reader: Reader, reread: Approaching['reread']): Reader {
  return {
    close: () => reader.close(),
    async nextBatch(maxTimeMs) {
      const batch = await reader.nextBatch(maxTimeMs)
      const [first] = batch.events
      if (first === undefined) return batch
      const closed = batch.closed && batch.events.length === 1
      return { events: [await completed(first, reread)], closed, handover: true }
    },
  }
}

async function completed(raw: RawEvent, reread: Approaching['reread']): Promise<RawEvent> {
  const { event, size, id } = raw
  const found = await reread(event)
  if (found === undefined) {
    markImage(event, 'oversized')
    return { event, size, ...(id !== undefined && { id }), oversized: 'key-only' }
  }
  const whole = { ...event, fullDocument: found.document }
  markImage(whole, 're-read')
  return { event: whole, size: size + found.size, oversized: 'reread' }
}
