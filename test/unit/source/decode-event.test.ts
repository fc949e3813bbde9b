import fc from 'fast-check'
import { BSON } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { dateMs, millisecondsOf } from '../../../src/date-ms.js'
import { EventDecoder } from '../../../src/source/decode-event.js'
import { hostileDocument } from '../message/bson-arbitraries.js'

const { BSONRegExp, Long } = BSON

const decode = (bytes: Uint8Array, promoteValues = true): Record<string, unknown> =>
  new EventDecoder(BSON, promoteValues).decode(bytes) as unknown as Record<string, unknown>

const FAR = 9_000_000_000_000_000n

/** The bytes of a document in which every 64-bit integer has become a date: no driver class holds such dates. */
function withDates(document: BSON.Document): Uint8Array {
  const bytes = BSON.serialize(document)
  for (const element of elements(bytes)) if (element.type === 0x12) bytes[element.at] = 0x09
  return bytes
}

/** The same for a document whose only dates are in the scope of a code, where `withDates` doesn't look. */
function withScopeDates(document: BSON.Document): Uint8Array {
  const bytes = BSON.serialize(document)
  bytes[Buffer.from(bytes).indexOf('\x12d\0', 0, 'latin1')] = 0x09
  return bytes
}

/** Where the elements of a document of documents, arrays and 64-bit integers begin. */
function elements(bytes: Uint8Array): { type: number; at: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: { type: number; at: number }[] = []
  const walk = (start: number): void => {
    const end = start + view.getInt32(start, true) - 1
    for (let at = start + 4; at < end; ) {
      const type = bytes[at] as number
      found.push({ type, at })
      const value = bytes.indexOf(0, at + 1) + 1
      if (type === 0x12) at = value + 8
      else {
        walk(value)
        at = value + view.getInt32(value, true)
      }
    }
  }
  walk(0)
  return found
}

const at = (value: unknown, ...path: (string | number)[]): Date =>
  path.reduce<unknown>((target, name) => (target as Record<string | number, unknown>)[name], value) as Date

describe('a date that JavaScript can not hold', () => {
  const far = Long.fromBigInt(FAR)

  it('keeps its milliseconds at any depth, also inside of arrays', () => {
    const event = decode(withDates({ a: far, b: { c: { d: far } }, e: [[{}, { f: [far] }]], g: Long.fromBigInt(-FAR) }))
    expect(millisecondsOf(at(event, 'a'))).toBe(FAR)
    expect(millisecondsOf(at(event, 'b', 'c', 'd'))).toBe(FAR)
    expect(millisecondsOf(at(event, 'e', 0, 1, 'f', 0))).toBe(FAR)
    expect(millisecondsOf(at(event, 'g'))).toBe(-FAR)
  })

  it('is told from the last one that it can hold', () => {
    const event = decode(
      withDates({ last: Long.fromBigInt(8_640_000_000_000_000n), next: Long.fromBigInt(8_640_000_000_000_001n) }),
    )
    expect(millisecondsOf(at(event, 'last'))).toBe(8_640_000_000_000_000)
    expect(dateMs in at(event, 'last')).toBe(false)
    expect(millisecondsOf(at(event, 'next'))).toBe(8_640_000_000_000_001n)
  })

  it('is found below fields with hostile, empty and foreign names', () => {
    const names = ['__proto__', 'constructor', 'toString', '', 'ü', '日本', 'a.b', '$x']
    for (const name of names) {
      const document = Object.defineProperty({}, name, { value: { d: far }, enumerable: true })
      const event = decode(withDates({ x: document }))
      const parent = Object.getOwnPropertyDescriptor(event.x, name)?.value
      expect([name, millisecondsOf(parent.d)]).toEqual([name, FAR])
      expect(({} as { d?: unknown }).d).toBeUndefined()
    }
  })

  it('is found in what looks like a DBRef, as its id and among its further fields', () => {
    const bytes = BSON.serialize({ r: { $ref: 'other', $id: { d: far }, at: far, b: [{ c: far }] } })
    for (const name of ['d', 'at', 'c']) bytes[Buffer.from(bytes).indexOf(`\x12${name}\0`, 0, 'latin1')] = 0x09
    const decoded = (decode(bytes) as { r: BSON.DBRef }).r
    expect(decoded).toBeInstanceOf(BSON.DBRef)
    const dates = [at(decoded.oid, 'd'), at(decoded.fields, 'at'), at(decoded.fields, 'b', 0, 'c')]
    expect(dates.map(millisecondsOf)).toEqual([FAR, FAR, FAR])
  })

  it('is the one that counts where a name stands there twice', () => {
    const twice = (first: bigint, second: bigint): Date => {
      const bytes = withDates({ a: Long.fromBigInt(first), b: Long.fromBigInt(second) })
      bytes[bytes.lastIndexOf('b'.charCodeAt(0))] = 'a'.charCodeAt(0)
      return at(decode(bytes), 'a')
    }
    expect(millisecondsOf(twice(FAR, FAR + 1n))).toBe(FAR + 1n)
    expect(millisecondsOf(twice(5n, FAR))).toBe(FAR)
    const plain = twice(FAR, 5n)
    expect(millisecondsOf(plain)).toBe(5)
    expect(dateMs in plain).toBe(false)
  })
})

it('keeps the milliseconds of dates in the scope of a code, and in arrays whose places have other names', () => {
  const far = Long.fromBigInt(FAR)
  const { code } = decode(withScopeDates({ code: new BSON.Code('f', { d: far }) })) as { code: BSON.Code }
  expect(millisecondsOf(at(code.scope, 'd'))).toBe(FAR)
  const bytes = withDates({ a: [{}, far] })
  bytes[Buffer.from(bytes).indexOf('\x091\0', 0, 'latin1') + 1] = '7'.charCodeAt(0)
  expect(millisecondsOf(at(decode(bytes), 'a', 1))).toBe(FAR)
})

it('holds nothing of the reply that an event came with', () => {
  const event = {
    _id: { _data: '82' },
    documentKey: { _id: new BSON.UUID() },
    lsid: { id: new BSON.UUID() },
    n: new BSON.Binary(Buffer.from('x')),
  }
  const bytes = BSON.serialize(event)
  const reply = Buffer.concat([Buffer.alloc(100_000), bytes])
  const decoded = decode(reply.subarray(100_000)) as unknown as typeof event
  for (const { buffer } of [decoded.documentKey._id, decoded.lsid.id, decoded.n]) {
    expect((buffer as Uint8Array).buffer.byteLength).toBeLessThan(reply.length)
  }
})

it('keeps a regular expression that JavaScript can not parse, and text that is no UTF-8', () => {
  expect(decode(BSON.serialize({ r: new BSONRegExp('(?i)x', 'i') })).r).toMatchObject({ pattern: '(?i)x' })
  const bytes = BSON.serialize({ s: 'ab' })
  bytes[bytes.indexOf(0x61)] = 0xff
  expect(decode(bytes).s).toBe('\uFFFDb')
})

it('says with a typed error that bytes are no document', () => {
  for (const bytes of [Buffer.from('0500000001', 'hex'), Buffer.from('not bson at all')]) {
    expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: 'CDC_EVENT_UNDECODABLE', retryable: false }))
  }
})

it.each([true, false])('decodes whatever there is in BSON as the driver does (promoted: %s)', promoteValues => {
  fc.assert(
    fc.property(hostileDocument, value => {
      let encoded: Uint8Array
      try {
        encoded = BSON.serialize(value as BSON.Document, { ignoreUndefined: false })
      } catch {
        return // the encoder refuses some, such as a `_bsontype` of no known class
      }
      const expected = BSON.deserialize(encoded, { bsonRegExp: true, promoteValues, validation: { utf8: false } })
      expect(decode(encoded, promoteValues)).toEqual(expected)
    }),
    { numRuns: 2000 },
  )
})

it('decodes from the middle of a larger buffer, as events lie in a reply', () => {
  const inner = withDates({ a: { d: Long.fromBigInt(FAR) } })
  const outer = Buffer.concat([Buffer.alloc(7, 0xee), inner, Buffer.alloc(7, 0xee)])
  expect(millisecondsOf(at(decode(outer.subarray(7, 7 + inner.length)), 'a', 'd'))).toBe(FAR)
})

describe('a text with a NUL in it', () => {
  const inTurn = (...documents: BSON.Document[]): unknown[] => {
    const decoder = new EventDecoder(BSON, true)
    return documents.map(document => decoder.decode(BSON.serialize(document)))
  }

  it.each([
    ['two fields that lie as one text does', { documentKey: { _id: 'a\0\nb' } }, { _id: null, a: null, b: null }],
    ['a name, a NUL and a type', { a: 'bc\0Z' }, { a: null, bc: null, d: 'x'.repeat(70) }],
  ])('is not taken for names: %s', (_, first, second) => {
    expect(inTurn(first, second)).toEqual([first, second])
    expect(inTurn(first, { documentKey: second })).toEqual([first, { documentKey: second }])
  })

  it('does not end a stream whose next event happens to lie like it', () => {
    const _id = new BSON.ObjectId()
    const of = (size: number): BSON.Document => ({ updateDescription: { updatedFields: { text: 'x'.repeat(size) } } })
    for (let size = 0; size < 130; size++) {
      const first = { operationType: 'insert', documentKey: { _id: 'updateDescription\0Z' } }
      const second = { operationType: 'update', documentKey: { _id }, ...of(size) }
      expect(inTurn(first, second)).toEqual([first, second])
    }
  })
})
