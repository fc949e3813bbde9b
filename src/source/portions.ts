import type { ReaderBatch } from './reader.js'

/** So many events are decoded at once. */
const PORTION = 64

/** A part of a batch; the last one has its mark. */
export type Portion = Pick<ReaderBatch, 'events' | 'highWaterMark'>

/**
 * The portions of a batch, at least one. Its events are taken out, so that each is decoded shortly before it is worked
 * on and let go of afterwards: a whole batch would be many objects that only wait, and that every garbage collection
 * has to move.
 */
export function* portionsOf({ events, highWaterMark }: ReaderBatch): Generator<Portion, void, undefined> {
  while (events.length > PORTION) yield { events: events.splice(0, PORTION) }
  yield { events: events.splice(0), ...(highWaterMark && { highWaterMark }) }
}
