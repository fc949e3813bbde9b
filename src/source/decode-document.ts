import type { BSON } from 'mongodb'
import { ARRAY, DATE, DOCUMENT, endOfName, endOfValue } from '../bson-layout.js'
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

/**
 * Walks the bytes and puts the milliseconds of every date that is out of range under {@link dateMs} of the `Invalid
 * Date` that the decoder made of it.
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
      const value = endOfName(bytes, name) + 1
      if (type === DATE) {
        const ms = view.getBigInt64(value, true)
        if (ms > MAX_DATE_MS || ms < -MAX_DATE_MS) mark([...path, name], ms)
      } else if (type === DOCUMENT || type === ARRAY) {
        path.push(name)
        walk(value, path)
        path.pop()
      }
      at = endOfValue(bytes, type, value)
    }
  }

  /** Reads the names only now: a date out of range is the exception. */
  function mark(path: readonly number[], ms: bigint): void {
    let target: unknown = root
    for (const name of path) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + name, endOfName(bytes, name) - name).toString('utf8')
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, text)) return
      target = (target as Record<string, unknown>)[text]
    }
    // Where a name stands there twice the decoder keeps the last one: that may be another date, and may be marked anew.
    if (target instanceof Date && Number.isNaN(target.getTime())) {
      Object.defineProperty(target, dateMs, { value: ms, configurable: true })
    }
  }
}
