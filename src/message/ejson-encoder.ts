import { types } from 'node:util'
import { millisecondsOf } from '../date-ms.js'
import { withDiscreet } from '../discreet-error.js'
import { TransformError } from '../errors.js'
import { asBson, type BsonValue, base64Of, dbRefFields, longValue } from './bson-type.js'
import { doubleText, int32Text, int64Text, numberText } from './ejson-numbers.js'

/**
 * A decoded document as MongoDB Extended JSON v2. An encoder of our own, because the BSON library's loses values in
 * relaxed mode (Int64 beyond 2^53, -0), can't write dates beyond JavaScript's range, takes a user's field `_bsontype`
 * for its own, and makes a copy of the document before it writes.
 */

/**
 * How values are written. `relaxed`: plain JSON wherever JavaScript reads the same value back; types may merge (`1`
 * for Int32, Int64 and Double), values are never lost. `canonical`: every BSON type is kept, every number is wrapped.
 */
export type EjsonMode = 'relaxed' | 'canonical'

/** MongoDB takes 180 levels; more means that a transform made a cycle. */
const MAX_DEPTH = 250
/** The first instant of year 10000: EJSON writes dates from 1970 to here as ISO 8601. */
const YEAR_10000 = 253_402_300_800_000
const MINUTE_MS = 60_000

/** What a walk carries along: the mode, and the names of the fields above, by depth. */
interface Walk {
  readonly relaxed: boolean
  readonly path: (string | number)[]
}

/**
 * The value as EJSON in UTF-8.
 *
 * @throws TransformError `CDC_ENCODE_FAILED` with the path, never the value: for functions, symbols, Invalid Dates,
 * integers beyond 64 bits, and more than 250 levels (a cycle).
 */
export function ejsonBytes(value: unknown, mode: EjsonMode = 'relaxed'): Buffer {
  return Buffer.from(ejsonText(value, mode))
}

/** The value as EJSON text; see {@link ejsonBytes}. */
export function ejsonText(value: unknown, mode: EjsonMode = 'relaxed'): string {
  return valueText(value, 0, { relaxed: mode === 'relaxed', path: [] })
}

/** A field of a document: its name and its value; see {@link ejsonBytes}. */
export function fieldText(name: string, value: unknown, mode: EjsonMode): string {
  if (typeof value === 'string') return `${quoted(name)}:${quoted(value)}`
  return `${quoted(name)}:${valueText(value, 1, { relaxed: mode === 'relaxed', path: [name] })}`
}

/**
 * The fields of a document, also of a Map, and of what the BSON library takes for a DBRef since it has `$ref` and
 * `$id`.
 */
export function documentFields(document: object): Iterable<[string, unknown]> {
  if (types.isMap(document)) return document as ReadonlyMap<string, unknown>
  const bson = asBson(document)
  return bson?._bsontype === 'DBRef' ? dbRefFields(bson) : Object.entries(document)
}

function valueText(value: unknown, depth: number, walk: Walk): string {
  switch (typeof value) {
    case 'string':
      return quoted(value)
    case 'number':
      return numberText(value, walk.relaxed)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'undefined':
      return 'null' // as the driver stores it
    case 'object':
      return value === null ? 'null' : objectText(value, depth, walk)
    case 'bigint':
      return integerText(value, depth, walk)
    default:
      return refuse(walk, depth, 'a value that BSON knows', `a ${typeof value}`)
  }
}

function objectText(value: object, depth: number, walk: Walk): string {
  if (depth > MAX_DEPTH) refuse(walk, 8, `at most ${MAX_DEPTH} levels deep`, 'more, most likely a cycle')
  if (Array.isArray(value)) return arrayText(value, depth, walk)
  // Nearly every object is a plain one: it needs none of the questions below.
  if (Object.getPrototypeOf(value) === Object.prototype) return documentText(value, depth, walk)
  const bson = asBson(value)
  if (bson !== undefined) return bsonText(bson, depth, walk)
  if (types.isDate(value)) return dateText(validDate(value, depth, walk), walk.relaxed)
  if (types.isUint8Array(value)) return binaryText(base64Of(value), 0)
  if (types.isRegExp(value)) return regExpText(value.source, storedFlags(value.flags))
  if (types.isMap(value)) return mapText(value, depth, walk)
  return documentText(value, depth, walk)
}

function arrayText(values: readonly unknown[], depth: number, walk: Walk): string {
  let text = '['
  for (let index = 0; index < values.length; index++) {
    walk.path[depth] = index
    if (index > 0) text += ','
    text += valueText(values[index], depth + 1, walk)
  }
  return `${text}]`
}

function documentText(document: object, depth: number, walk: Walk): string {
  const fields = document as Readonly<Record<string, unknown>>
  let text = ''
  for (const name of Object.keys(fields)) {
    walk.path[depth] = name
    text += `${text === '' ? '{' : ','}${quoted(name)}:${valueText(fields[name], depth + 1, walk)}`
  }
  return text === '' ? '{}' : `${text}}`
}

function mapText(fields: ReadonlyMap<unknown, unknown>, depth: number, walk: Walk): string {
  let text = ''
  for (const [name, value] of fields) {
    if (typeof name !== 'string') refuse(walk, depth, 'a Map with strings for keys', `a ${typeof name}`)
    walk.path[depth] = name
    text += `${text === '' ? '{' : ','}${quoted(name)}:${valueText(value, depth + 1, walk)}`
  }
  return text === '' ? '{}' : `${text}}`
}

function bsonText(value: BsonValue, depth: number, walk: Walk): string {
  switch (value._bsontype) {
    case 'ObjectId':
      return `{"$oid":"${value.toHexString()}"}`
    case 'Int32':
      return int32Text(value.value, walk.relaxed)
    case 'Double':
      return doubleText(value.value, walk.relaxed)
    case 'Long':
      return integerText(longValue(value), depth, walk)
    case 'Decimal128':
      return `{"$numberDecimal":"${value.toString()}"}`
    case 'Binary':
      return binaryText(base64Of(value.buffer, value.position), value.sub_type)
    case 'Timestamp':
      return timestampText(value.high, value.low)
    case 'BSONRegExp':
      return regExpText(value.pattern, value.options)
    case 'BSONSymbol':
      // Decoded with promoted values it is a plain string: the bytes must not depend on that.
      return walk.relaxed ? quoted(value.value) : `{"$symbol":${quoted(value.value)}}`
    case 'Code':
      return codeText(value.code, value.scope, depth, walk)
    case 'DBRef':
      return mapText(dbRefFields(value), depth, walk)
    case 'MinKey':
      return '{"$minKey":1}'
    case 'MaxKey':
      return '{"$maxKey":1}'
    default:
      return refuse(walk, depth, 'a BSON type that this version knows', 'a newer one')
  }
}

function integerText(value: number | bigint, depth: number, walk: Walk): string {
  return int64Text(value, walk.relaxed) ?? refuse(walk, depth, 'an integer of 64 bits', 'a larger one')
}

function codeText(code: string, scope: object | null | undefined, depth: number, walk: Walk): string {
  if (!scope) return `{"$code":${quoted(code)}}`
  walk.path[depth] = '$scope'
  return `{"$code":${quoted(code)},"$scope":${valueText(scope, depth + 1, walk)}}`
}

function validDate(date: Date, depth: number, walk: Walk): number | bigint {
  return millisecondsOf(date) ?? refuse(walk, depth, 'a valid date', 'an Invalid Date')
}

/** Milliseconds since 1970 as a date. */
export function dateText(ms: number | bigint, relaxed: boolean): string {
  if (!relaxed || ms < 0 || ms >= YEAR_10000) return `{"$date":{"$numberLong":"${ms}"}}`
  const inMinute = Number(ms) % MINUTE_MS
  return `{"$date":"${minuteText(Number(ms) - inMinute)}${secondsText(inMinute)}Z"}`
}

let lastMinute = -1
let lastMinuteText = ''

/** Most dates of a stream are of one minute, and to split that up takes longer than all else. */
function minuteText(start: number): string {
  if (start !== lastMinute) {
    lastMinute = start
    lastMinuteText = new Date(start).toISOString().slice(0, 17)
  }
  return lastMinuteText
}

/** Two digits, and three more unless they are zeros. */
function secondsText(ms: number): string {
  const digits = String(100_000 + ms)
  return ms % 1000 === 0 ? digits.slice(1, 3) : `${digits.slice(1, 3)}.${digits.slice(3)}`
}

/** Seconds and counter. */
export function timestampText(high: number, low: number): string {
  return `{"$timestamp":{"t":${high >>> 0},"i":${low >>> 0}}}`
}

/** Bytes with their subtype. */
export function binaryText(base64: string, subType: number): string {
  return `{"$binary":{"base64":"${base64}","subType":"${subType.toString(16).padStart(2, '0')}"}}`
}

function regExpText(pattern: string, options: string): string {
  const sorted = [...options].sort().join('')
  return `{"$regularExpression":{"pattern":${quoted(pattern)},"options":${quoted(sorted)}}}`
}

/** The flags of a JavaScript expression as the driver stores them: `g` stands for `s`; `d`, `v` and `y` have no form. */
function storedFlags(flags: string): string {
  return [...new Set(flags.replace('g', 's').replace(/[dvy]/g, ''))].join('')
}

/** Matches what JSON must escape, and surrogates: a lone one has to be escaped too, or the bytes aren't UTF-8. */
const UNSAFE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

/** Text as JSON. */
export function quoted(text: string): string {
  return UNSAFE.test(text) ? JSON.stringify(text) : `"${text}"`
}

function refuse(walk: Walk, depth: number, expected: string, got: string): never {
  const path = JSON.stringify(walk.path.slice(0, depth).join('.').slice(0, 200)).slice(1, -1)
  const where = depth === 0 ? 'the value' : `\`${path}\``
  const failed = (what: string): TransformError =>
    new TransformError('CDC_ENCODE_FAILED', `Expected ${what} to be ${expected}, got ${got}`)
  throw withDiscreet(failed(where), () => failed('each value'))
}
