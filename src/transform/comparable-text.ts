import { types } from 'node:util'
import { bsonTypeOf } from '../bson-value.js'
import { millisecondsOf } from '../date-ms.js'
import { fieldsOf } from './edit-value.js'

/** Whole numbers up to this many digits are written out. */
const MAX_PLAIN_DIGITS = 40

/**
 * A value as a text that is the same for equal values, whatever type its numbers have and however the source decodes,
 * and another one for all others. A string is itself, so that others can compute its hash; all else begins with NUL.
 */
export function comparableText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
      return `\0n${decimal(wholeOrShortest(value))}`
    case 'object':
      if (value === null) return '\0null'
      return bsonTypeOf(value) === 'BSONSymbol' ? String(value) : `\0${objectText(value)}`
    default:
      return `\0${String(value)}`
  }
}

function objectText(value: object): string {
  if (Array.isArray(value)) return `[${value.map(sized).join('')}]`
  const fields = fieldsOf(value)
  if (fields) return fieldsText(fields)
  if (types.isDate(value)) return `d${millisecondsOf(value)}`
  if (ArrayBuffer.isView(value)) return bytesText(0, value, value.byteLength)
  if (types.isRegExp(value)) return `r${value.source}/${value.flags}`
  if (types.isMap(value)) return fieldsText(Object.fromEntries(value))
  return bsonText(bsonTypeOf(value), value as BsonParts)
}

function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  return `{${Object.keys(fields)
    .map(name => `${sized(name)}${sized(fields[name])}`)
    .join('')}}`
}

/** With its length in front: what follows can't be taken for a part of it. */
function sized(value: unknown): string {
  const text = comparableText(value)
  return `${text.length}:${text}`
}

/** The parts that are read of classes of the BSON library. */
interface BsonParts {
  readonly value?: unknown
  readonly sub_type?: number
  readonly position?: number
  readonly buffer?: Uint8Array
  readonly pattern?: string
  readonly options?: string
  readonly code?: unknown
  readonly scope?: unknown
}

function bsonText(type: string | undefined, value: BsonParts): string {
  switch (type) {
    case 'Int32':
    case 'Double':
      return comparableText(value.value).slice(1)
    case 'Long':
    case 'Decimal128':
      return `n${decimal(String(value))}`
    case 'Binary':
      return bytesText(value.sub_type ?? 0, value.buffer ?? new Uint8Array(), value.position ?? 0)
    case 'BSONRegExp':
      return `r${value.pattern}/${value.options}`
    case 'Code':
      return `c${sized(String(value.code))}${sized(value.scope)}`
    case 'MinKey':
    case 'MaxKey':
      return type
    default:
      // ObjectId, Timestamp, and what later versions bring.
      return `${type}${String(value)}`
  }
}

function bytesText(subType: number, { buffer, byteOffset }: ArrayBufferView, length: number): string {
  return `b${subType}:${Buffer.from(buffer, byteOffset, length).toString('base64')}`
}

/** All digits of a whole number, as an Int64 or a Decimal128 of the same value has them. */
function wholeOrShortest(value: number | bigint): string {
  return Number.isInteger(value) ? String(BigInt(value)) : String(value)
}

/** One text for each number: `100`, `1E+2` and `100.00` are equal. */
function decimal(text: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text)
  if (parts === null) return text // NaN, Infinity, -Infinity
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts
  const unpadded = (whole + fraction).replace(/^0+/, '')
  let end = unpadded.length
  while (unpadded[end - 1] === '0') end -= 1
  if (end === 0) return '0'
  const power = Number(exponent) - fraction.length + unpadded.length - end
  const digits = unpadded.slice(0, end)
  return power >= 0 && end + power <= MAX_PLAIN_DIGITS ? sign + digits + '0'.repeat(power) : `${sign}${digits}e${power}`
}
