import { compareDocument, type Mismatch } from './compare-document.js'
import { compareEvents } from './compare-events.js'
import { diceOf } from './dice.js'
import { randomDocument } from './random-document.js'
import { randomEvent } from './random-event.js'
import { shrunk } from './shrink.js'

/** What a run has found wrong, as it is printed. */
export type Found = string

/** Compares so many random documents. */
export function fuzzDocuments(seed: number, count: number, progress = (_done: number): void => {}): Found | undefined {
  for (let index = 0; index < count; index++) {
    const bytes = randomDocument(diceOf(seed, index))
    const mismatch = compareDocument(bytes)
    if (mismatch) return describe(seed, index, bytes, mismatch)
    if ((index + 1) % 100_000 === 0) progress(index + 1)
  }
  return undefined
}

function describe(seed: number, index: number, bytes: Buffer, mismatch: Mismatch): Found {
  const smaller = shrunk(bytes, candidate => compareDocument(candidate) !== undefined)
  const { what, decoded, other } = compareDocument(smaller) ?? mismatch
  return [
    `seed ${seed}, document ${index}: ${bytes.length} bytes, ${smaller.length} after fields were taken away`,
    `BSON    ${smaller.toString('hex')}`,
    what,
    `decoded ${decoded}`,
    `other   ${other}`,
  ].join('\n')
}

/** What whole pipelines have made of random events. */
export interface EventCounts {
  readonly messages: number
  readonly unread: number
}

const BATCH = 500

/** Leads so many random events through whole pipelines, untouched and decoded. */
export async function fuzzEvents(
  seed: number,
  count: number,
  progress = (_done: number): void => {},
): Promise<Found | EventCounts> {
  let [messages, unread] = [0, 0]
  for (let from = 0; from < count; from += BATCH) {
    const length = Math.min(BATCH, count - from)
    const events = Array.from({ length }, (_, i) => randomEvent(diceOf(seed, from + i), from + i))
    const { mismatch, ...counted } = await compareEvents(events)
    if (mismatch) {
      const { event, what, untouched, decoded } = mismatch
      return [
        `seed ${seed}, ${what}`,
        `BSON      ${event.toString('hex')}`,
        `decoded   ${decoded}`,
        `untouched ${untouched}`,
      ].join('\n')
    }
    messages += counted.messages
    unread += counted.unread
    if ((from + length) % 100_000 === 0) progress(from + length)
  }
  return { messages, unread }
}
