import type { Position, PositionOrigin, SourceRecord } from '../types.js'
import { orderingKey } from './document-key.js'
import type { Portion } from './portions.js'
import { positionOf } from './position.js'
import type { RawEvent } from './reader.js'

/** From a portion of a batch to records, each with its position: nobody has to ask a cursor where it is. Pure. */
export function recordsOf<E>(batch: Portion, before: Position, origin: PositionOrigin): SourceRecord<E>[] {
  const records = batch.events.map(raw => recordOf<E>(raw, origin))
  const mark = batch.highWaterMark
  const last = records.at(-1)?.position ?? before
  // Behind an event the server often repeats its token: nothing has moved then.
  if (mark !== undefined && mark._data !== tokenData(last)) records.push({ position: positionOf(mark, origin) })
  return records
}

/** The records up to the first event that can't be decoded: what stands before it is delivered all the same. */
export function recordsUpToError<E>(
  portion: Portion,
  before: Position,
  origin: PositionOrigin,
): { readonly records: SourceRecord<E>[]; readonly error?: unknown } {
  try {
    return { records: recordsOf<E>(portion, before, origin) }
  } catch (error) {
    const records: SourceRecord<E>[] = []
    try {
      for (const raw of portion.events) records.push(recordOf<E>(raw, origin))
    } catch {
      // The same error as before.
    }
    return { records, error }
  }
}

function recordOf<E>({ event, size, id = event._id._data }: RawEvent, origin: PositionOrigin): SourceRecord<E> {
  const position = positionOf(event._id, origin)
  const { ns, documentKey } = event
  const time = event.wallTime instanceof Date ? event.wallTime.getTime() : position.clusterTime.t * 1000
  if (documentKey == null || ns?.coll === undefined || !Object.hasOwn(documentKey, '_id')) {
    return { position, id, event: event as E, size, time }
  }
  const key = orderingKey(ns.db, ns.coll, documentKey._id)
  return { position, id, event: event as E, size, time, key }
}

function tokenData(position: Position): string | undefined {
  return (position.token as { _data?: string } | undefined)?._data
}
