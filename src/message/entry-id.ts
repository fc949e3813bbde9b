import { types } from 'node:util'
import { millisecondsOf } from '../date-ms.js'
import { asBson, type BinaryLike, base64Of, longValue } from './bson-type.js'
import { ejsonText } from './ejson-encoder.js'

/** Above this, JavaScript writes numbers with an exponent; so do we, whatever type they have. */
const MAX_PLAIN_DIGITS = 21
/** Below 10^-6, likewise. */
const MIN_PLAIN_EXPONENT = -6

/**
 * The `_id` of a document as one string. ObjectId: 24 hex digits. UUID: with dashes. String: itself. Numbers: decimal,
 * the same text for ids that MongoDB holds equal (`1`, `1.0`, `Int64(1)`, `Decimal128("1.00")` are all `1`). Date: ISO
 * 8601 with milliseconds, beyond JavaScript's range the milliseconds. Other binary: base64. Documents and everything
 * else: relaxed EJSON. Ids of different types can give the same text (`5` and `"5"`).
 *
 * @throws TransformError `CDC_ENCODE_FAILED` for values without a form in EJSON.
 */
export function entryId(id: unknown): string {
  if (typeof id === 'string') return id
  if (typeof id === 'number') return numberId(id)
  if (typeof id === 'bigint') return String(id)
  if (typeof id !== 'object' || id === null) return ejsonText(id)
  if (types.isDate(id)) return dateId(id)
  if (types.isUint8Array(id)) return base64Of(id)
  const bson = asBson(id)
  switch (bson?._bsontype) {
    case 'ObjectId':
      return bson.toHexString()
    case 'Int32':
    case 'Double':
      return numberId(bson.value)
    case 'Long':
      return String(longValue(bson))
    case 'Decimal128':
      return decimalId(bson.toString())
    case 'Binary':
      return binaryId(bson)
    case 'BSONSymbol':
      return bson.value
    default:
      return ejsonText(id)
  }
}

function numberId(value: number): string {
  // String rounds integers beyond 2^53 off; an Int64 or Decimal128 of the same value has all its digits.
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? String(BigInt(value)) : String(value)
}

function dateId(date: Date): string {
  const ms = millisecondsOf(date)
  if (typeof ms === 'bigint') return String(ms)
  return ms === undefined ? ejsonText(date) : date.toISOString()
}

function binaryId({ buffer, position, sub_type: subType }: BinaryLike): string {
  if (subType !== 4 || position !== 16) return base64Of(buffer, position)
  const hex = Buffer.from(buffer).toString('hex', 0, 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** A decimal as JavaScript writes numbers: without trailing zeros, with an exponent only where a number has one. */
function decimalId(text: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text)
  if (parts === null) return text // NaN, Infinity, -Infinity
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts
  const unpadded = (whole + fraction).replace(/^0+/, '')
  const digits = unpadded.replace(/0+$/, '')
  if (digits === '') return '0'
  // The value is 0.digits × 10^point.
  const point = unpadded.length - fraction.length + Number(exponent)
  return sign + placePoint(digits, point)
}

function placePoint(digits: string, point: number): string {
  if (point > MAX_PLAIN_DIGITS || point < MIN_PLAIN_EXPONENT + 1) {
    const mantissa = digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`
    return `${mantissa}e${point > 0 ? '+' : ''}${point - 1}`
  }
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits}`
  if (point >= digits.length) return digits.padEnd(point, '0')
  return `${digits.slice(0, point)}.${digits.slice(point)}`
}
