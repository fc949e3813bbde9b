import type { BSON } from 'mongodb'
import { dateMs } from '../date-ms.js'
import { SourceError } from '../errors.js'
import type { ChangeEvent } from './reader.js'

/** From the bytes of an event to the object that transforms see. */

/** What of the driver's BSON library is used; passed in, so that nothing is imported before a source is opened. */
export type Deserialize = typeof BSON.deserialize

/**
 * Decodes an event. `bsonRegExp`: a regular expression that JavaScript can't parse stays data. UTF-8 isn't validated:
 * invalid bytes become U+FFFD instead of stopping the stream for ever. Dates that a JavaScript `Date` can't hold keep
 * their milliseconds under a symbol.
 */
export function decodeEvent(bytes: Uint8Array, deserialize: Deserialize, promoteValues: boolean): ChangeEvent {
  try {
    const event = deserialize(bytes, { bsonRegExp: true, promoteValues, validation: { utf8: false } })
    keepDates(bytes, event)
    return event as ChangeEvent
  } catch (error) {
    throw new SourceError('CDC_EVENT_UNDECODABLE', 'An event of the change stream could not be decoded', {
      cause: error,
    })
  }
}

const MAX_DATE_MS = 8_640_000_000_000_000n
const DOUBLE = 0x01
const STRING = 0x02
const DOCUMENT = 0x03
const ARRAY = 0x04
const BINARY = 0x05
const OBJECT_ID = 0x07
const BOOLEAN = 0x08
const DATE = 0x09
const REGEXP = 0x0b
const DB_POINTER = 0x0c
const CODE = 0x0d
const SYMBOL = 0x0e
const CODE_WITH_SCOPE = 0x0f
const INT32 = 0x10
const TIMESTAMP = 0x11
const INT64 = 0x12
const DECIMAL128 = 0x13

/**
 * Walks the bytes (the BSON specification, version 1.1) and puts the milliseconds of every date that is out of range
 * under {@link dateMs} of the `Invalid Date` that the decoder made of it.
 */
function keepDates(bytes: Uint8Array, root: object): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  walk(0, [])

  function walk(start: number, path: number[]): void {
    let at = start + 4
    for (;;) {
      const type = view.getUint8(at)
      if (type === 0) return
      const name = at + 1
      const value = endOfText(name)
      if (type === DATE) {
        const ms = view.getBigInt64(value, true)
        if (ms > MAX_DATE_MS || ms < -MAX_DATE_MS) mark([...path, name], ms)
      } else if (type === DOCUMENT || type === ARRAY) {
        path.push(name)
        walk(value, path)
        path.pop()
      }
      at = endOfValue(type, value)
    }
  }

  /** Behind the NUL that ends a name. */
  function endOfText(from: number): number {
    let at = from
    while (view.getUint8(at) !== 0) at++
    return at + 1
  }

  function endOfValue(type: number, at: number): number {
    switch (type) {
      case DOUBLE:
      case DATE:
      case TIMESTAMP:
      case INT64:
        return at + 8
      case INT32:
        return at + 4
      case STRING:
      case CODE:
      case SYMBOL:
        return at + 4 + view.getInt32(at, true)
      case DOCUMENT:
      case ARRAY:
      case CODE_WITH_SCOPE:
        return at + view.getInt32(at, true)
      case BINARY:
        return at + 5 + view.getInt32(at, true)
      case OBJECT_ID:
        return at + 12
      case BOOLEAN:
        return at + 1
      case REGEXP:
        return endOfText(endOfText(at))
      case DB_POINTER:
        return at + 4 + view.getInt32(at, true) + 12
      case DECIMAL128:
        return at + 16
      default:
        return at // null, undefined, MinKey and MaxKey have no bytes
    }
  }

  /** Reads the names only now: a date out of range is the exception. */
  function mark(path: readonly number[], ms: bigint): void {
    let target: unknown = root
    for (const name of path) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + name, endOfText(name) - 1 - name).toString('utf8')
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, text)) return
      target = (target as Record<string, unknown>)[text]
    }
    // Where a name stands there twice the decoder keeps the last one: that may be another date, and may be marked anew.
    if (target instanceof Date && Number.isNaN(target.getTime())) {
      Object.defineProperty(target, dateMs, { value: ms, configurable: true })
    }
  }
}
