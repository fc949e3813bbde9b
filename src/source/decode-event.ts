import type { BSON } from 'mongodb'
import { DATE, DOCUMENT, documentOf, endOfValue, int32At, NULL, OBJECT_ID, STRING, TIMESTAMP } from '../bson-layout.js'
import { DeferredDocument, type DocumentDecoder, defer, isDeferrable } from '../deferred-document.js'
import { SourceError } from '../errors.js'
import { decodeDocument } from './decode-document.js'
import type { ChangeEvent } from './reader.js'
import { RecurringText } from './recurring-text.js'

/** What of the driver's BSON library is used; passed in, so that nothing is imported before a source is opened. */
export type BsonLibrary = Pick<typeof BSON, 'deserialize' | 'ObjectId' | 'Timestamp'>

type Fields = Record<string, unknown>

/** Stands for a value that is left to the BSON library. */
const LEFT: unique symbol = Symbol('left')
const MAX_DATE_MS = 8.64e15

/**
 * Decodes change events to what the BSON library would make of them, except that the documents in them are decoded when
 * somebody reads them. The fields around those are always the same few, and are read here; the library, which needs
 * several times as long, gets what is out of the ordinary.
 */
export class EventDecoder {
  readonly #bson: BsonLibrary
  readonly #documents: DocumentDecoder
  readonly #texts = new RecurringText()

  constructor(bson: BsonLibrary, promoteValues: boolean) {
    this.#bson = bson
    this.#documents = {
      exactTypes: !promoteValues,
      decode(bytes) {
        try {
          return decodeDocument(bytes, bson.deserialize, promoteValues)
        } catch (error) {
          throw undecodable(error)
        }
      },
    }
  }

  /** Throws SourceError `CDC_EVENT_UNDECODABLE` for bytes that are no BSON. */
  decode(given: Uint8Array): ChangeEvent {
    const bytes = Buffer.isBuffer(given) ? given : Buffer.from(given.buffer, given.byteOffset, given.byteLength)
    const event: Fields = {}
    this.#texts.begin()
    try {
      const read = this.#read(bytes, 0, event, true)
      return (read ? event : this.#documents.decode(copyOf(bytes, 0, bytes.length))) as unknown as ChangeEvent
    } catch (error) {
      throw undecodable(error)
    }
  }

  /** Reads the fields of the event or of a document in it; false where the library has to read all of it. */
  #read(bytes: Buffer, start: number, target: Fields, isEvent: boolean): boolean {
    const last = start + int32At(bytes, start) - 1
    if (bytes[last] !== 0) throw new RangeError('A document has no end')
    let at = start + 4
    while (at < last) {
      const type = bytes[at] as number
      const name = this.#texts.readName(bytes, at + 1)
      const from = this.#texts.end + 1
      const to = endOfValue(bytes, type, from)
      if (to < from || to > last) throw new RangeError('A value reaches beyond its document')
      // One would set a prototype; of the other the library makes objects of its own.
      if (name === '__proto__' || name.startsWith('$')) return false
      const value = this.#value(bytes, type, from, to)
      if (value !== LEFT) target[name] = value
      else if (isEvent) this.#readRare(target, bytes, type, name, from, to)
      else return false
      at = to
    }
    return at === last
  }

  #value(bytes: Buffer, type: number, from: number, to: number): unknown {
    switch (type) {
      case STRING:
        return this.#texts.read(bytes, from + 4, to - 1)
      case OBJECT_ID:
        return new this.#bson.ObjectId(copyOf(bytes, from, to))
      case DATE: {
        const ms = int32At(bytes, from + 4) * 2 ** 32 + (int32At(bytes, from) >>> 0)
        return Math.abs(ms) <= MAX_DATE_MS ? new Date(ms) : LEFT
      }
      case TIMESTAMP:
        return new this.#bson.Timestamp({ t: int32At(bytes, from + 4) >>> 0, i: int32At(bytes, from) >>> 0 })
      case NULL:
        return null
      default:
        return LEFT
    }
  }

  /** What only the event itself has: documents, and values of types that hardly ever come. */
  #readRare(event: Fields, bytes: Buffer, type: number, name: string, from: number, to: number): void {
    if (type !== DOCUMENT) {
      event[name] = (this.#documents.decode(documentOf(type, bytes.subarray(from, to))) as { v: unknown }).v
    } else if (isDeferrable(name)) defer(event, name, new DeferredDocument(copyOf(bytes, from, to), this.#documents))
    else {
      const document: Fields = {}
      event[name] = this.#read(bytes, from, document, false)
        ? document
        : this.#documents.decode(copyOf(bytes, from, to))
    }
  }
}

/**
 * What the library gets has to be a copy: its binaries share the bytes that they are made of, and with them the whole
 * reply of the server. As `Buffer.from`, in half the time.
 */
function copyOf(bytes: Buffer, from: number, to: number): Buffer {
  const copy = Buffer.allocUnsafe(to - from)
  copy.set(bytes.subarray(from, to))
  return copy
}

function undecodable(cause: unknown): unknown {
  if (cause instanceof SourceError) return cause
  return new SourceError('CDC_EVENT_UNDECODABLE', 'An event of the change stream could not be decoded', { cause })
}
