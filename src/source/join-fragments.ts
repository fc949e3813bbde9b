import type { Document } from 'mongodb'
import { SourceError } from '../errors.js'
import type { ChangeEvent, RawEvent, Reader, ReaderBatch } from './reader.js'

/** The last stage of a pipeline, where the server has it. */
export const SPLIT_STAGE_NAME = '$changeStreamSplitLargeEvent'
export const SPLIT_STAGE: Document = { [SPLIT_STAGE_NAME]: {} }

/**
 * A reader whose events are whole, although the server sends large ones in parts. The id of such an event is the token
 * of its first part, its own token that of the last: nobody ever sees a position between them.
 * @see https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStreamSplitLargeEvent/
 */
export function joinFragments(reader: Reader, onError: (error: unknown) => never = rethrow): Reader {
  let parts: RawEvent[] = []

  function wholeBy(raw: RawEvent): RawEvent | undefined {
    const place = fragmentOf(raw.event)
    if (place?.fragment === 1) parts = [] // the driver may have resumed: the event begins anew
    if (place === undefined && parts.length === 0) return raw
    if (place?.fragment !== parts.length + 1) throw parts.length === 0 ? insideOfEvent() : partMissing()
    parts.push(raw)
    if (parts.length < place.of) return undefined
    const whole = joined(parts)
    parts = []
    return whole
  }

  return {
    close: () => reader.close(),
    async nextBatch(maxTimeMs) {
      const batch = await reader.nextBatch(maxTimeMs).catch(onError)
      const isPart = (raw: RawEvent): boolean =>
        raw.mayHave?.('splitEvent') !== false && fragmentOf(raw.event) !== undefined
      if (parts.length === 0 && !batch.events.some(isPart)) return batch
      const events = batch.events.map(wholeBy).filter(whole => whole !== undefined)
      return parts.length === 0 ? { ...batch, events } : withoutMark(batch, events)
    },
  }
}

/** The mark of a batch that ends inside of an event would be a position there. */
function withoutMark({ closed }: ReaderBatch, events: RawEvent[]): ReaderBatch {
  return { events, closed }
}

interface Fragment {
  readonly fragment: number
  readonly of: number
}

/** Which part of an event this is. A stage of the user may have put something else under that name. */
function fragmentOf({ splitEvent }: ChangeEvent): Fragment | undefined {
  if (typeof splitEvent !== 'object' || splitEvent === null) return undefined
  const fragment = Number(splitEvent.fragment) // an Int32 where types are kept
  const of = Number(splitEvent.of)
  return Number.isInteger(fragment) && Number.isInteger(of) && fragment >= 1 ? { fragment, of } : undefined
}

/** The server divides an event at its top: no field is in two parts but the token. */
function joined(parts: readonly RawEvent[]): RawEvent {
  let event = {} as ChangeEvent
  for (const part of parts) event = { ...event, ...part.event } // a name such as `__proto__` stays data
  const { splitEvent: _, ...whole } = event
  return {
    event: whole,
    size: parts.reduce((sum, { size }) => sum + size, 0),
    id: parts[0]?.event._id._data ?? whole._id._data,
    oversized: 'split',
  }
}

function rethrow(error: unknown): never {
  throw error
}

/** Going back to its time brings the event whole. */
function insideOfEvent(): SourceError {
  return new SourceError('CDC_POSITION_NOT_FOUND', 'The position is inside of an event that came in parts')
}

function partMissing(): SourceError {
  return new SourceError('CDC_SOURCE_UNAVAILABLE', 'A part of an event did not arrive', { retryable: true })
}
