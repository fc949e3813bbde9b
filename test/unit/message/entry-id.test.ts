import * as fc from 'fast-check'
import { Binary, Decimal128, Double, Int32, Long, ObjectId, Timestamp, UUID } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { dateMs } from '../../../src/date-ms.js'
import { entryId } from '../../../src/message/entry-id.js'

describe('the id as a string', () => {
  it.each([
    ['an ObjectId', new ObjectId('0123456789abcdef01234567'), '0123456789abcdef01234567'],
    ['a UUID', new UUID('01234567-89ab-cdef-0123-456789abcdef'), '01234567-89ab-cdef-0123-456789abcdef'],
    ['a string', 'order-1', 'order-1'],
    ['an Int32', new Int32(-5), '-5'],
    ['an Int64', Long.fromString('9223372036854775807'), '9223372036854775807'],
    ['a promoted number', 12, '12'],
    ['a Double', new Double(1.5), '1.5'],
    ['a negative zero', -0, '0'],
    ['a NaN', Number.NaN, 'NaN'],
    ['a bigint', 12n, '12'],
    ['a Decimal128', Decimal128.fromString('-1.50'), '-1.5'],
    ['a Decimal128 with an exponent', Decimal128.fromString('1.5E+3'), '1500'],
    ['a small Decimal128', Decimal128.fromString('0.00000150'), '0.0000015'],
    ['a very small Decimal128', Decimal128.fromString('1.5E-9'), '1.5e-9'],
    ['a very large Decimal128', Decimal128.fromString('1E+21'), '1e+21'],
    ['a Decimal128 of zero', Decimal128.fromString('-0.00'), '0'],
    ['an infinite Decimal128', Decimal128.fromString('-Infinity'), '-Infinity'],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    [
      'a date far away',
      Object.assign(new Date(Number.NaN), { [dateMs]: -9223372036854775808n }),
      '-9223372036854775808',
    ],
    ['other binary', new Binary(Buffer.from('hi')), 'aGk='],
    ['a Buffer', Buffer.from('hi'), 'aGk='],
    [
      'a document',
      { b: new ObjectId('0123456789abcdef01234567'), a: 1 },
      '{"b":{"$oid":"0123456789abcdef01234567"},"a":1}',
    ],
    ['a boolean', true, 'true'],
    ['null', null, 'null'],
    ['a Timestamp', new Timestamp({ t: 1, i: 2 }), '{"$timestamp":{"t":1,"i":2}}'],
  ])('%s', (_, id, text) => {
    expect(entryId(id)).toBe(text)
  })

  it('is the same for whole numbers that MongoDB holds equal, whatever their type', () => {
    return fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), value => {
        expect(entryId(Long.fromBigInt(value))).toBe(String(value))
        expect(entryId(Decimal128.fromString(String(value)))).toBe(String(value))
        expect(entryId(Decimal128.fromString(`${value}.000`))).toBe(String(value))
        const rounded = Number(value)
        expect(entryId(new Double(rounded))).toBe(String(BigInt(rounded)))
      }),
    )
  })

  it('is the same for a decimal fraction and the Double that is written like it', () => {
    return fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), value => {
        fc.pre(!Number.isInteger(value) || Math.abs(value) <= Number.MAX_SAFE_INTEGER)
        expect(entryId(Decimal128.fromString(String(value)))).toBe(entryId(value))
      }),
    )
  })

  it('is refused for an Invalid Date', () => {
    expect(() => entryId(new Date('never'))).toThrow(expect.objectContaining({ code: 'CDC_ENCODE_FAILED' }))
  })
})
