import * as fc from 'fast-check'
import {
  Binary,
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

/** Random documents of every BSON type, for properties of the encoder. */

const bytes = (length?: number) =>
  fc.uint8Array(length === undefined ? { maxLength: 40 } : { minLength: length, maxLength: length })
const uint32 = fc.nat({ max: 0xffffffff })
const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const noZero = text.map(value => value.replaceAll('\0', '0'))

export const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
  fc.bigInt({ min: -(2n ** 53n) - 3n, max: -(2n ** 53n) + 3n }),
  fc.bigInt({ min: -1000n, max: 1000n }),
)

export const double = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 2 ** 53, 1e21, 1e300),
)

const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 33n), max: 10n ** 33n }), fc.integer({ min: -6000, max: 6000 }))
  .map(([digits, exponent]) => Decimal128.fromString(`${digits}E${exponent}`))

/**
 * Names of fields. Not among them: digits, which JavaScript moves to the front; a leading `$`, which EJSON readers take
 * for one of their own; `_bsontype`, which the BSON library does not serialize.
 */
export const fieldName = fc
  .oneof(noZero, fc.constantFrom('', '__proto__', 'constructor', 'toString', 'a.b', 'a$b', '"', 'hasOwnProperty', '\n'))
  .filter(name => !/^\d+$/.test(name) && !name.startsWith('$') && name !== '_bsontype')

const scalar: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.boolean(),
  fc.constant(null),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(value => new Int32(value)),
  int64.map(value => Long.fromBigInt(value)),
  double.map(value => new Double(value)),
  decimal,
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '0', '-0', '1.00').map(value => Decimal128.fromString(value)),
  bytes(12).map(value => new ObjectId(value)),
  bytes(16).map(value => new UUID(value)),
  // Subtype 9 is checked by the library itself, 4 is a UUID.
  fc
    .tuple(bytes(), fc.constantFrom(0, 1, 2, 3, 5, 6, 7, 8, 128, 255))
    .map(([value, subType]) => new Binary(value, subType)),
  fc.tuple(uint32, uint32).map(([t, i]) => new Timestamp({ t, i })),
  fc.integer({ min: -8.64e15, max: 8.64e15 }).map(ms => new Date(ms)),
  fc.date({ min: new Date('1960-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
  fc.tuple(noZero, fc.subarray([...'imxlsu'])).map(([pattern, flags]) => new BSONRegExp(pattern, flags.join(''))),
  fc.constantFrom(new MinKey(), new MaxKey()),
  text.map(value => new BSONSymbol(value)),
  text.map(value => new Code(value)),
  fc
    .tuple(
      text.filter(name => name !== '' && !name.includes('.')),
      bytes(12),
    )
    .map(([name, id]) => new DBRef(name, new ObjectId(id))),
)

/** An object with these fields, `__proto__` as a field among them. */
function objectOf(fields: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(fields)
}

const { value } = fc.letrec<{ value: unknown; object: object }>(tie => ({
  object: fc.uniqueArray(fc.tuple(fieldName, tie('value')), { maxLength: 6, selector: ([name]) => name }).map(objectOf),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    tie('object'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.tuple(text, tie('object')).map(([code, scope]) => new Code(code, scope as Record<string, unknown>)),
  ),
}))

export const bsonDocument: fc.Arbitrary<Record<string, unknown>> = fc
  .uniqueArray(fc.tuple(fieldName, value), { maxLength: 8, selector: ([name]) => name })
  .map(fields => objectOf(fields) as Record<string, unknown>)

/** Documents with names that objects, the BSON library or EJSON take for something else. Not all can be serialized. */
const hostileName = fc.oneof(
  fc.stringMatching(/^[^\0]{0,6}$/),
  fc.constantFrom('__proto__', 'constructor', '_bsontype', '$ref', '$id', 'a', '0', '1'),
)
const { document: hostile } = fc.letrec<{ value: unknown; document: object }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom(null, undefined, new MinKey(), new MaxKey()),
    fc.date({ noInvalidDate: true }),
    fc.double().map(n => new Double(n)),
    fc.integer().map(n => new Int32(n)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(n => Long.fromBigInt(n)),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map(b => new Decimal128(b)),
    fc.uint8Array({ minLength: 12, maxLength: 12 }).map(b => new ObjectId(b)),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map(b => new UUID(b)),
    fc.tuple(bytes(), fc.constantFrom(0, 1, 2, 3, 5, 6, 7, 128)).map(([b, subType]) => new Binary(b, subType)),
    fc.tuple(fc.nat(), fc.nat()).map(([t, i]) => new Timestamp({ t, i })),
    fc.constantFrom(new BSONRegExp('a(b', 'imx'), new BSONRegExp('', ''), new BSONSymbol('s')),
    fc.string().map(code => new Code(code)),
    fc.tuple(fc.string(), tie('document')).map(([code, scope]) => new Code(code, scope as Record<string, unknown>)),
    fc.uint8Array({ minLength: 12, maxLength: 12 }).map(b => new DBRef('other', new ObjectId(b), 'db')),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('document'),
  ),
  document: fc.array(fc.tuple(hostileName, tie('value')), { maxLength: 5 }).map(fields => {
    const made = {}
    for (const [key, value] of fields) {
      Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true })
    }
    return made
  }),
}))

export const hostileDocument: fc.Arbitrary<object> = hostile
