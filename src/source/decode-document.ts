import type { BSON } from 'mongodb'
import { ARRAY, CODE, CODE_WITH_SCOPE, DATE, DOCUMENT, endOfName, endOfValue } from '../bson-layout.js'
import { bsonTypeOf, type DbRefLike } from '../bson-value.js'
import { dateMs } from '../date-ms.js'

/** What of the driver's BSON library is used; passed in, so that nothing is imported before a source is opened. */
export type Deserialize = typeof BSON.deserialize

/**
 * Decodes a document. `bsonRegExp`: a regular expression that JavaScript can't parse stays data. UTF-8 isn't validated:
 * invalid bytes become U+FFFD instead of stopping the stream for ever. Dates that a JavaScript `Date` can't hold keep
 * their milliseconds under a symbol.
 */
export function decodeDocument(bytes: Uint8Array, deserialize: Deserialize, promoteValues: boolean): object {
  const document = deserialize(bytes, { bsonRegExp: true, promoteValues, validation: { utf8: false } })
  keepDates(bytes, document)
  return document
}

const MAX_DATE_MS = 8_640_000_000_000_000n

/** The scope of a `Code`, as a step of a path. */
const SCOPE = 0

/**
 * Walks the bytes and puts the milliseconds of every date that is out of range under {@link dateMs} of the `Invalid
 * Date` that the decoder made of it. A step of the path to it is where a name begins, or minus one and less for the
 * places of an array, whose names the decoder doesn't look at.
 */
function keepDates(bytes: Uint8Array, root: object): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  walk(0, false, [])

  function walk(start: number, isArray: boolean, path: number[]): void {
    let at = start + 4
    for (let place = -1; ; place--) {
      const type = view.getUint8(at)
      if (type === 0) return
      const value = endOfName(bytes, at + 1) + 1
      path.push(isArray ? place : at + 1)
      if (type === DATE) {
        const ms = view.getBigInt64(value, true)
        if (ms > MAX_DATE_MS || ms < -MAX_DATE_MS) mark(path, ms)
      } else if (type === DOCUMENT || type === ARRAY) walk(value, type === ARRAY, path)
      else if (type === CODE_WITH_SCOPE) {
        path.push(SCOPE)
        walk(endOfValue(bytes, CODE, value + 4), false, path)
        path.pop()
      }
      path.pop()
      at = endOfValue(bytes, type, value)
    }
  }

  /** Reads the names only now: a date out of range is the exception. */
  function mark(path: readonly number[], ms: bigint): void {
    let target: unknown = root
    for (const step of path) target = fieldOf(target, nameOf(step))
    // Where a name stands there twice the decoder keeps the last one: that may be another date, and may be marked anew.
    if (target instanceof Date && Number.isNaN(target.getTime())) {
      Object.defineProperty(target, dateMs, { value: ms, configurable: true })
    }
  }

  function nameOf(step: number): string {
    if (step === SCOPE) return 'scope'
    if (step < 0) return String(-1 - step)
    return Buffer.from(bytes.buffer, bytes.byteOffset + step, endOfName(bytes, step) - step).toString('utf8')
  }
}

/** The field of a decoded document, also of one that looks like a DBRef, and has become one. */
function fieldOf(document: unknown, name: string): unknown {
  if (typeof document !== 'object' || document === null) return undefined
  if (bsonTypeOf(document) === 'DBRef') {
    const { oid, fields } = document as DbRefLike
    return name === '$id' ? oid : fieldOf(fields, name)
  }
  return Object.hasOwn(document, name) ? (document as Record<string, unknown>)[name] : undefined
}
