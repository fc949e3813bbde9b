import * as fc from 'fast-check'
import {
  Binary,
  BSON,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb'
import { describe, expect, it } from 'vitest'
import { dateMs } from '../../../src/date-ms.js'
import { type EjsonMode, ejsonBytes, ejsonText } from '../../../src/message/ejson-encoder.js'
import { bsonDocument, double, int64 } from './bson-arbitraries.js'

const EXACT = { promoteValues: false, bsonRegExp: true } as const
const PROMOTED = { bsonRegExp: true } as const
const both = (value: unknown) => [ejsonText(value, 'relaxed'), ejsonText(value, 'canonical')]

describe('an encoded document', () => {
  it(
    'keeps every value and every BSON type in canonical form',
    () =>
      fc.assert(
        fc.property(bsonDocument, document => {
          const stored = BSON.serialize(document)
          const text = ejsonBytes(BSON.deserialize(stored, EXACT), 'canonical').toString()
          const readBack = BSON.serialize(BSON.EJSON.parse(text, { relaxed: false }))
          expect(Buffer.from(readBack)).toEqual(Buffer.from(stored))
        }),
        { numRuns: 200 },
      ),
    30_000,
  )

  it(
    'is in canonical form what the BSON library writes',
    () =>
      fc.assert(
        fc.property(bsonDocument, document => {
          const decoded = BSON.deserialize(BSON.serialize(document), EXACT)
          expect(ejsonText(decoded, 'canonical')).toBe(BSON.EJSON.stringify(decoded, { relaxed: false }))
        }),
        { numRuns: 200 },
      ),
    30_000,
  )

  it(
    'has the same bytes whether numbers were promoted or not',
    () =>
      fc.assert(
        fc.property(bsonDocument, document => {
          const stored = BSON.serialize(document)
          const promoted = ejsonBytes(BSON.deserialize(stored, PROMOTED))
          expect(ejsonBytes(BSON.deserialize(stored, EXACT))).toEqual(promoted)
          expect(ejsonBytes(BSON.deserialize(stored, { ...PROMOTED, useBigInt64: true }))).toEqual(promoted)
        }),
        { numRuns: 200 },
      ),
    30_000,
  )

  it('is JSON in UTF-8, whatever strings it holds', () => {
    expect(ejsonText('\ud800')).toBe('"\\ud800"')
    const anyString = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\ud800', 'a\udfffb', '\u0000', '"\\', '😀'),
    )
    return fc.assert(
      fc.property(fc.array(fc.tuple(anyString, anyString)), fields => {
        const value = Object.fromEntries(fields)
        for (const mode of ['relaxed', 'canonical'] satisfies EjsonMode[]) {
          const bytes = ejsonBytes(value, mode)
          expect(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))).toEqual(value)
        }
      }),
    )
  })
})

describe('a number', () => {
  it('that is an Int64 is never rounded in relaxed form', () => {
    return fc.assert(
      fc.property(int64, value => {
        const parsed = JSON.parse(ejsonText(Long.fromBigInt(value)))
        expect(BigInt(typeof parsed === 'number' ? parsed : parsed.$numberLong)).toBe(value)
      }),
      { numRuns: 1000 },
    )
  })

  it('that is a Double reads back as the same one in relaxed form', () => {
    return fc.assert(
      fc.property(double, value => {
        const parsed = JSON.parse(ejsonText(new Double(value)))
        expect(typeof parsed === 'number' ? parsed : Number(parsed.$numberDouble)).toBe(value)
        expect(ejsonText(value)).toBe(ejsonText(new Double(value)))
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    [new Int32(7), '7', '{"$numberInt":"7"}'],
    [7, '7', '{"$numberInt":"7"}'],
    [new Double(1), '1', '{"$numberDouble":"1.0"}'],
    [1.5, '1.5', '{"$numberDouble":"1.5"}'],
    [-0, '-0', '{"$numberDouble":"-0.0"}'],
    [Number.NaN, '{"$numberDouble":"NaN"}', '{"$numberDouble":"NaN"}'],
    [new Double(Number.NEGATIVE_INFINITY), '{"$numberDouble":"-Infinity"}', '{"$numberDouble":"-Infinity"}'],
    [5e9, '5000000000', '{"$numberLong":"5000000000"}'],
    [2 ** 62, '4611686018427388000', '{"$numberDouble":"4611686018427387904.0"}'],
    [2 ** 63, '9223372036854776000', '{"$numberDouble":"9223372036854775808.0"}'],
    [Long.fromString('9007199254740992'), '9007199254740992', '{"$numberLong":"9007199254740992"}'],
    [Long.fromString('9007199254740993'), '{"$numberLong":"9007199254740993"}', '{"$numberLong":"9007199254740993"}'],
    [Long.MIN_VALUE, '{"$numberLong":"-9223372036854775808"}', '{"$numberLong":"-9223372036854775808"}'],
    [12n, '12', '{"$numberLong":"12"}'],
    [Decimal128.fromString('1.10'), '{"$numberDecimal":"1.10"}', '{"$numberDecimal":"1.10"}'],
  ])('%o has its forms', (value, relaxed, canonical) => {
    expect(both(value)).toEqual([relaxed, canonical])
  })

  it('beyond 64 bits is refused, not cut', () => {
    expect(() => ejsonText({ n: 2n ** 63n })).toThrow('Expected `n` to be an integer of 64 bits, got a larger one')
    expect(() => ejsonText({ n: Long.MAX_UNSIGNED_VALUE })).toThrow(/64 bits/)
  })
})

describe('a date', () => {
  it.each([
    ['1970-01-01T00:00:00.000Z', '{"$date":"1970-01-01T00:00:00Z"}'],
    ['2024-02-29T12:30:00.120Z', '{"$date":"2024-02-29T12:30:00.120Z"}'],
    ['9999-12-31T23:59:59.999Z', '{"$date":"9999-12-31T23:59:59.999Z"}'],
    ['1969-12-31T23:59:59.999Z', '{"$date":{"$numberLong":"-1"}}'],
    ['+010000-01-01T00:00:00.000Z', '{"$date":{"$numberLong":"253402300800000"}}'],
  ])('%s is written as EJSON has it', (iso, relaxed) => {
    const date = new Date(iso)
    expect(both(date)).toEqual([relaxed, `{"$date":{"$numberLong":"${date.getTime()}"}}`])
  })

  it('beyond what JavaScript holds keeps its milliseconds', () => {
    const date = Object.assign(new Date(Number.NaN), { [dateMs]: 9223372036854775807n })
    const text = '{"$date":{"$numberLong":"9223372036854775807"}}'
    expect(both(date)).toEqual([text, text])
  })

  it('that is invalid is refused, naming where it stands and no value', () => {
    const value = { user: { dates: [new Date(), new Date('never')] } }
    expect(() => ejsonText(value)).toThrow('Expected `user.dates.1` to be a valid date, got an Invalid Date')
    expect(() => ejsonText(value)).toThrow(expect.objectContaining({ code: 'CDC_ENCODE_FAILED', retryable: false }))
  })
})

describe('a BSON value', () => {
  const id = new ObjectId('0123456789abcdef01234567')
  const uuid = '{"$binary":{"base64":"ASNFZ4mrze8BI0VniavN7w==","subType":"04"}}'
  it.each([
    ['ObjectId', id, '{"$oid":"0123456789abcdef01234567"}'],
    ['UUID', new UUID('01234567-89ab-cdef-0123-456789abcdef'), uuid],
    ['Binary', new Binary(Buffer.from('hi'), 128), '{"$binary":{"base64":"aGk=","subType":"80"}}'],
    ['Buffer', Buffer.from('hi'), '{"$binary":{"base64":"aGk=","subType":"00"}}'],
    ['Uint8Array', new Uint8Array([104, 105]), '{"$binary":{"base64":"aGk=","subType":"00"}}'],
    ['Timestamp', new Timestamp({ t: 4294967295, i: 2147483648 }), '{"$timestamp":{"t":4294967295,"i":2147483648}}'],
    ['MinKey', new MinKey(), '{"$minKey":1}'],
    ['MaxKey', new MaxKey(), '{"$maxKey":1}'],
    ['Code', new Code('f("x")'), '{"$code":"f(\\"x\\")"}'],
    ['DBRef', new DBRef('c', id, 'd', { x: 'y' }), `{"$ref":"c","$id":${ejsonText(id)},"$db":"d","x":"y"}`],
    ['null', null, 'null'],
    ['undefined', undefined, 'null'],
    ['Map', new Map([['__proto__', 'x']]), '{"__proto__":"x"}'],
  ])('%s has one form in both modes', (_, value, text) => {
    expect(both(value)).toEqual([text, text])
  })

  it('Code with scope writes the scope in the same mode', () => {
    const value = new Code('f', { a: new Int32(1) })
    expect(both(value)).toEqual(['{"$code":"f","$scope":{"a":1}}', '{"$code":"f","$scope":{"a":{"$numberInt":"1"}}}'])
  })

  it('Symbol is a string in relaxed form, as it is when decoded with promoted values', () => {
    expect(both(new BSONSymbol('s'))).toEqual(['"s"', '{"$symbol":"s"}'])
  })

  it('regular expression passes through unread, also one that JavaScript can not parse', () => {
    const text = '{"$regularExpression":{"pattern":"(?i)x","options":"imx"}}'
    expect(both(new BSONRegExp('(?i)x', 'xmi'))).toEqual([text, text])
    expect(ejsonText(/^(a+)+$/giy)).toBe('{"$regularExpression":{"pattern":"^(a+)+$","options":"is"}}')
  })

  it('is known by its shape, so that every copy and major of the BSON library fits', () => {
    class ForeignObjectId {
      get _bsontype() {
        return 'ObjectId'
      }
      get [Symbol.for('@@mdb.bson.version')]() {
        return 6
      }
      toHexString() {
        return 'f'.repeat(24)
      }
    }
    expect(ejsonText(new ForeignObjectId())).toBe(`{"$oid":"${'f'.repeat(24)}"}`)
  })

  it('without spare room: only the bytes in use of a Binary are written', () => {
    const binary = new Binary()
    binary.put(104)
    binary.put(105)
    expect(ejsonText(binary)).toBe('{"$binary":{"base64":"aGk=","subType":"00"}}')
  })
})

describe('names of fields', () => {
  it('are data: `__proto__`, `constructor`, an empty name, dots and `$`', () => {
    const text = '{"__proto__":{"polluted":1},"constructor":2,"toString":3,"":4,"a.b":5,"$set":6,"a$":7}'
    expect(ejsonText(JSON.parse(text))).toBe(text)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  it('may be `_bsontype`: a document stays a document', () => {
    for (const type of ['ObjectId', 'Long', 'Nonsense', 5, null]) {
      const document = { _bsontype: type, low: 1, high: 2 }
      expect(ejsonText({ document })).toBe(JSON.stringify({ document }))
    }
    const inherited = Object.create({ _bsontype: 'ObjectId' }, { a: { value: 1, enumerable: true } })
    expect(ejsonText(inherited)).toBe('{"a":1}')
  })

  it('that look like EJSON are written as they are', () => {
    expect(ejsonText({ $oid: 'x', $date: 'y' })).toBe('{"$oid":"x","$date":"y"}')
  })
})

describe('what has no form', () => {
  it.each([
    [() => 1, 'a function'],
    [Symbol('x'), 'a symbol'],
  ])('is refused: %s', (value, got) => {
    expect(() => ejsonText({ a: [{ 'b\n': value }] })).toThrow(
      `Expected \`a.0.b\\n\` to be a value that BSON knows, got ${got}`,
    )
    expect(() => ejsonText(value)).toThrow(`Expected the value to be a value that BSON knows, got ${got}`)
  })

  it('is a cycle: a typed error instead of a stack overflow', () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = [cycle]
    expect(() => ejsonText(cycle)).toThrow(expect.objectContaining({ code: 'CDC_ENCODE_FAILED' }))
    expect(() => ejsonText(cycle)).toThrow(/at most 250 levels deep/)
  })

  it('is no depth that MongoDB can store', () => {
    const text = `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`
    expect(ejsonText(JSON.parse(text))).toBe(text)
  })

  it('is a Map with other keys than strings, and a BSON type of a later library', () => {
    expect(() => ejsonText(new Map([[1, 1]]))).toThrow(/a Map with strings for keys, got a number/)
    class Later {
      get _bsontype() {
        return 'Decimal256'
      }
      get [Symbol.for('@@mdb.bson.version')]() {
        return 9
      }
    }
    expect(() => ejsonText([new Later()])).toThrow('Expected `0` to be a BSON type that this version knows')
  })
})
