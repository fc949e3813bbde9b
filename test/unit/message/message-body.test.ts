import * as fc from 'fast-check'
import { Binary, BSON, Long, ObjectId, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { deferredIn } from '../../../src/deferred-document.js'
import {
  bsonEncoder,
  changeEventMessage,
  cloudEventMessage,
  debeziumMessage,
  documentMessage,
} from '../../../src/index.js'
import type { ChangeEvent } from '../../../src/message/event-facts.js'
import { decodeDocument } from '../../../src/source/decode-document.js'
import { EventDecoder } from '../../../src/source/decode-event.js'
import { bsonDocument, hostileDocument } from './bson-arbitraries.js'

/** The bytes of an event, as the server sends them. */
function eventBytes(fullDocument: object, fullDocumentBeforeChange?: object): Buffer {
  const _id = new ObjectId('65e0c0000000000000000001')
  const event = {
    _id: { _data: '8265E0C000000000012B0229296E04' },
    operationType: 'replace',
    clusterTime: new Timestamp({ t: 1_709_228_032, i: 1 }),
    wallTime: new Date(1_709_228_032_123),
    fullDocument,
    ...(fullDocumentBeforeChange && { fullDocumentBeforeChange }),
    ns: { db: 'shop', coll: 'orders' },
    documentKey: { _id },
  }
  return Buffer.from(BSON.serialize(event, { ignoreUndefined: false }))
}

/** The same event twice: as the source gives it, its documents unread, and as the BSON library decodes it. */
function bothWays(bytes: Uint8Array, promoteValues: boolean): [ChangeEvent, ChangeEvent] {
  const whole = decodeDocument(bytes, BSON.deserialize, promoteValues)
  return [new EventDecoder(BSON, promoteValues).decode(bytes) as ChangeEvent, whole as ChangeEvent]
}

const shapes = {
  documentMessage: (options: { ejson?: 'relaxed' | 'canonical' }) => documentMessage(options),
  changeEventMessage: (options: { ejson?: 'relaxed' | 'canonical' }) => changeEventMessage(options),
  cloudEventMessage: (options: { ejson?: 'relaxed' | 'canonical' }) =>
    cloudEventMessage({ mode: 'structured', ...options }),
}

const textOf = (shape: (event: never) => unknown, event: ChangeEvent): string =>
  String((shape(event as never) as { body: Buffer }).body)

function expectSameBytes(bytes: Uint8Array): void {
  for (const [promoteValues, ejson] of [
    [true, 'relaxed'],
    [true, 'canonical'],
    [false, 'relaxed'],
    [false, 'canonical'],
  ] as const) {
    for (const shape of Object.values(shapes)) {
      const [unread, decoded] = bothWays(bytes, promoteValues)
      expect(textOf(shape({ ejson }), unread)).toBe(textOf(shape({ ejson }), decoded))
    }
  }
}

describe('a document that nobody has read', () => {
  it('is written with the bytes that it would have after decoding, whatever is in it', () =>
    fc.assert(
      fc.property(fc.oneof(bsonDocument, hostileDocument), hostileDocument, (document, before) => {
        let bytes: Buffer
        try {
          bytes = eventBytes(document, before)
        } catch {
          return // the library can't write some, such as a `_bsontype` of no known class
        }
        expectSameBytes(bytes)
      }),
      { numRuns: 500 },
    ))

  it('is written so also when its texts are no UTF-8', () =>
    fc.assert(
      fc.property(hostileDocument, fc.uint8Array({ minLength: 2, maxLength: 2 }), (document, noise) => {
        let bytes: Buffer
        try {
          bytes = eventBytes({ ...document, ÿ: 'aÿb', b: ['ÿ', { ÿÿ: 'ÿ' }] })
        } catch {
          return
        }
        // In names too, where a NUL would be the end.
        const [first = 1, second = 1] = noise.map(byte => byte || 1)
        for (let at = bytes.indexOf('ÿ'); at >= 0; at = bytes.indexOf('ÿ', at + 1)) bytes.set([first, second], at)
        expectSameBytes(bytes)
      }),
      { numRuns: 500 },
    ))

  it.each<[string, object, string]>([
    ['plain fields', { a: 1, b: 'x', c: null, d: true }, '{"a":1,"b":"x","c":null,"d":true'],
    ['nothing', {}, '{'],
    ['empty documents and arrays', { a: {}, b: [], c: [[], {}] }, '{"a":{},"b":[],"c":[[],{}]'],
    ['text to escape', { a: 'x"\\\n\u0001é😀', 'b"': '' }, '{"a":"x\\"\\\\\\n\\u0001é😀","b\\"":""'],
    ['names that are numbers', { b: 1, a: { x: 1, 7: 2 } }, '{"b":1,"a":{"7":2,"x":1}'],
    ['what looks like a DBRef', { a: { x: 1, $ref: 'c', $id: 2 } }, '{"a":{"$ref":"c","$id":2,"x":1}'],
    ['fields that the shape replaces', { _id: 1, type: 2, a: 3, entry_id: 4 }, '{"a":3'],
    ['hostile names', JSON.parse('{"__proto__":1,"constructor":2,"":3}'), '{"__proto__":1,"constructor":2,"":3'],
    ['a date before 1970', { a: new Date(-1) }, '{"a":{"$date":{"$numberLong":"-1"}}'],
    ['a date', { a: new Date(1_709_228_032_120) }, '{"a":{"$date":"2024-02-29T17:33:52.120Z"}'],
    ['a long beyond 2^53', { a: Long.fromString('9007199254740993') }, '{"a":{"$numberLong":"9007199254740993"}'],
    ['old binaries', { a: new Binary(Buffer.from('ab'), 2) }, '{"a":{"$binary":{"base64":"YWI=","subType":"02"}}'],
    ['fifty fields', Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, n])), '{"f0":0,"f1":1,'],
    ['a megabyte', { a: 'x'.repeat(2 ** 20) }, '{"a":"xxxx'],
  ])('is written as it should be: %s', (_, document, expected) => {
    const bytes = eventBytes(document)
    const [unread] = bothWays(bytes, true)
    expect(textOf(documentMessage(), unread).slice(0, expected.length)).toBe(expected)
    expect(textOf(documentMessage(), unread)).toMatch(/[{,]"type":"orders","entry_id":"65e0c0000000000000000001"}$/)
    expectSameBytes(bytes)
  })

  it('escapes what JSON escapes wherever it stands in a text, and copies all other characters', () => {
    const characters = [
      ...Array.from({ length: 0x81 }, (_, code) => String.fromCharCode(code)),
      'é',
      '\u2028',
      '漢',
      '😀',
    ]
    for (const character of characters) {
      const texts = Array.from(
        { length: 9 },
        (_, before) => `${'a'.repeat(before)}${character}${character}b${character}`,
      )
      const names = texts.filter(text => !text.includes('\0')).map(text => [`n${text}`, 1])
      expectSameBytes(eventBytes({ texts, ...Object.fromEntries(names) }))
    }
  })

  it('is written so where a name stands there twice', () => {
    const bytes = eventBytes({ aa: 1, b: { cc: 1, cd: 2 }, ab: 3 })
    for (const name of ['ab', 'cd']) bytes[bytes.indexOf(`\x10${name}\0`) + 2] = 'a'.charCodeAt(0)
    bytes[bytes.indexOf('\x10ca\0') + 2] = 'c'.charCodeAt(0)
    const [unread] = bothWays(bytes, true)
    expect(textOf(documentMessage(), unread)).toContain('{"aa":3,"b":{"cc":2},"type"')
    expectSameBytes(bytes)
  })

  it('goes through ever so many levels', () => {
    let document: object = { end: true }
    for (let level = 0; level < 120; level++) document = level % 2 ? { a: document } : { a: [document] }
    expectSameBytes(eventBytes(document))
  })

  it('stays unread on the way from bytes to bytes', () => {
    const [unread] = bothWays(eventBytes({ a: { b: [1, 'x'] } }, { a: 1 }), true)
    for (const shape of Object.values(shapes)) shape({})(unread as never)
    expect(deferredIn(unread, 'fullDocument')).toBeDefined()
    expect(deferredIn(unread, 'fullDocumentBeforeChange')).toBeDefined()
  })

  it('is what a transform has made of it once one has read it', () => {
    const [event] = bothWays(eventBytes({ a: 1 }), true)
    ;(event.fullDocument as { a: number }).a = 2
    expect(textOf(documentMessage(), event)).toContain('{"a":2,')
    expect(textOf(changeEventMessage(), event)).toContain('"fullDocument":{"a":2}')
    const replaced = bothWays(eventBytes({ a: 1 }), true)[0] as { fullDocument?: object }
    replaced.fullDocument = { a: 3 }
    expect(textOf(documentMessage(), replaced as ChangeEvent)).toContain('{"a":3,')
    const removed = bothWays(eventBytes({ a: 1 }), true)[0] as { fullDocument?: object }
    delete removed.fullDocument
    expect(textOf(documentMessage(), removed as ChangeEvent)).toBe(
      '{"type":"orders","entry_id":"65e0c0000000000000000001"}',
    )
  })

  it('is decoded for encoders of other kinds, and for Debezium', () => {
    const [unread, decoded] = bothWays(eventBytes({ a: Long.fromNumber(1) }, { a: 0 }), false)
    const bson = documentMessage({ encoder: bsonEncoder({ BSON }) })
    expect(textOf(bson, unread)).toBe(textOf(bson, decoded))
    const debezium = debeziumMessage({ name: 'shop' })
    const envelopeOf = (event: ChangeEvent) => ({ ...JSON.parse(textOf(debezium, event)), ts_ms: 0 })
    expect(envelopeOf(unread)).toEqual(envelopeOf(decoded))
  })

  it('fails the event with a typed error when its bytes are broken', () => {
    const bytes = eventBytes({ a: 'text' })
    bytes.writeInt32LE(1_000, bytes.indexOf('\x02a\0') + 3)
    const unread = new EventDecoder(BSON, true).decode(bytes) as ChangeEvent
    expect(() => textOf(documentMessage(), unread)).toThrow(expect.objectContaining({ code: 'CDC_EVENT_UNDECODABLE' }))
  })
})
