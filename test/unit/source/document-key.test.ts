import fc from 'fast-check'
import { BSON } from 'mongodb'
import { expect, it } from 'vitest'
import { dateMs } from '../../../src/date-ms.js'
import { orderingKey } from '../../../src/source/document-key.js'

const { Binary, BSONSymbol, DBRef, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } = BSON

const key = (id: unknown): string => orderingKey('d', 'c', id)

/** As it arrives: through BSON, with and without the types promoted to JavaScript's. */
function arrivals(id: unknown): unknown[] {
  const bytes = BSON.serialize({ id })
  return [true, false].map(promoteValues => BSON.deserialize(bytes, { promoteValues, bsonRegExp: true }).id)
}

it('gives one key to all spellings of one number', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), n => {
      const spellings = [n, BigInt(n), new Int32(n), new Double(n), Long.fromNumber(n)]
      const decimals = [
        Decimal128.fromString(String(n)),
        Decimal128.fromString(`${n}.0`),
        Decimal128.fromString(`${n}E0`),
      ]
      const ids = [...spellings, ...decimals].flatMap(value => [value, ...arrivals(value)])
      expect(new Set(ids.map(key)).size).toBe(1)
      expect(new Set(ids.map(value => key({ a: [value] }))).size).toBe(1)
    }),
  )
})

it('gives one key to large numbers that are equal', () => {
  const ids = [Long.fromString('9007199254740993'), 9007199254740993n, Decimal128.fromString('9007199254740993')]
  expect(new Set(ids.map(key)).size).toBe(1)
  expect(key(Decimal128.fromString('1E+3'))).toBe(key(1000))
  expect(key(Decimal128.fromString('NaN'))).toBe(key(Number.NaN))
  expect(key(Decimal128.fromString('-Infinity'))).toBe(key(Number.NEGATIVE_INFINITY))
})

it('takes -0 and 0 for one id', () => {
  const zeros = [0, -0, new Double(-0), Decimal128.fromString('-0'), Decimal128.fromString('0E-5'), Long.ZERO]
  expect(new Set(zeros.map(key)).size).toBe(1)
})

it('takes a string and the deprecated symbol of the same text for one id, as the server does', () => {
  expect(key(new BSONSymbol('a'))).toBe(key('a'))
})

it('gives one key to a reference, whatever the spelling of the number it refers to', () => {
  const refs = [1, new Double(1), Long.fromNumber(1), Decimal128.fromString('1')].flatMap(id =>
    arrivals(new DBRef('x', id as never)),
  )
  expect(new Set(refs.map(key)).size).toBe(1)
  expect(key(new DBRef('x', 1 as never))).not.toBe(key(new DBRef('y', 1 as never)))
})

it('gives the same key to an id each time it arrives, with promoted values or without', () => {
  const ids = [
    'text',
    true,
    null,
    new Date(5),
    new ObjectId(),
    new UUID(),
    new Binary(Buffer.from('x'), 7),
    new Timestamp({ t: 1, i: 2 }),
    new MinKey(),
    new MaxKey(),
    new BSON.BSONRegExp('a', 'i'),
    new BSON.Code('f', { n: 1 }),
    { a: 1, b: { c: [new Double(2)] } },
  ]
  const keys = ids.map(id => {
    const [one, two] = arrivals(id).map(key)
    expect(one).toBe(two)
    return one
  })
  expect(new Set(keys).size).toBe(ids.length)
})

it('tells a UUID from other bytes, and bytes by their sub type', () => {
  const bytes = Buffer.alloc(16, 1)
  expect(key(new UUID(bytes))).toBe(key(new Binary(bytes, 4)))
  expect(key(new Binary(bytes, 0))).not.toBe(key(new Binary(bytes, 4)))
  expect(key(new Binary(bytes, 0))).toBe(key(bytes))
})

it('keeps the order of the fields of a document, which makes another id', () => {
  expect(key({ a: 1, b: 2 })).not.toBe(key({ b: 2, a: 1 }))
})

it('tells dates that JavaScript can not hold from each other', () => {
  const far = (ms: bigint): Date => Object.defineProperty(new Date(Number.NaN), dateMs, { value: ms })
  expect(key(far(9_000_000_000_000_000n))).toBe(key(far(9_000_000_000_000_000n)))
  expect(key(far(9_000_000_000_000_000n))).not.toBe(key(far(9_000_000_000_000_001n)))
})

it('takes fields with the names of JavaScript and BSON internals for data', () => {
  const hostile = (json: string): string => key(JSON.parse(json))
  expect(hostile('{"__proto__":{"a":1}}')).not.toBe(hostile('{"__proto__":{"a":2}}'))
  expect(hostile('{"__proto__":1}')).not.toBe(hostile('{}'))
  expect(hostile('{"_bsontype":"Int32","value":1}')).not.toBe(key(1))
  expect(hostile('{"_bsontype":"ObjectId"}')).not.toBe(hostile('{"_bsontype":"Long"}'))
  expect(hostile('{"toString":1,"constructor":2}')).not.toBe(hostile('{"toString":1,"constructor":3}'))
})

it('takes a document for data also where a transform made another one with `_bsontype` its prototype', () => {
  for (const _bsontype of ['ObjectId', 'MinKey', 'Binary', 5]) {
    const id = Object.assign(Object.create({ _bsontype }), { a: 1 })
    expect(key(id)).toBe(key({ a: 1 }))
  }
})

it('gives different keys to different ids, whatever they are made of', () => {
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('1', 'null', 'true', ',', ':', '{', '}', '[', ']', 's1:a', 'n1'),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', ',', 'a=', '1:a=n1', '{', ''), tie('any'), { maxKeys: 3 }),
    ),
  })).any
  const exact = (id: unknown): string => BSON.EJSON.stringify({ id }, { relaxed: false })
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(key(a) === key(b)).toBe(exact(a) === exact(b))
    }),
    { numRuns: 2000 },
  )
})

it('tells the same id of two collections apart', () => {
  expect(orderingKey('d', 'a', 1)).not.toBe(orderingKey('d', 'b', 1))
  expect(orderingKey('a', 'c', 1)).not.toBe(orderingKey('b', 'c', 1))
})
