import { PublishError } from '../errors.js'
import type { HeaderValue } from '../types.js'
import { HALF, isWellFormed } from '../well-formed.js'

/** What amqplib's buffer for a table holds; more is an error there, or was cut in silence by versions before 2.3.1. */
const MAX_TABLE_BYTES = 65_536
const MAX_DEPTH = 32
const ROUTES = 'set the property of this name on the message, and never from data'

/** How the bytes of a text are counted. */
type TextMeasure = (text: string) => number

const exactly: TextMeasure = text => Buffer.byteLength(text)
const about: TextMeasure = text => text.length
/** Of `x-cdc-published-at`: name, type and value with their lengths. */
const TIME_BYTES = 48
/** Of UTF-8, for a UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3

/** Headers as they are sent. */
export interface CheckedHeaders {
  readonly headers: Record<string, unknown>
  /** As a table of AMQP, without the time, and with a text counted as one byte for each UTF-16 unit. */
  readonly bytes: number
}

/**
 * Returns headers as amqplib encodes them without loss, and refuses those that AMQP can't carry, or that amqplib would
 * carry as something else: it sends a Date as an empty table and a typed array as a table of numbers. Throws a
 * PublishError `CDC_HEADERS_INVALID` that names the header, never its value. `ours` are further headers, which those of
 * the message replace. Field table: https://www.rabbitmq.com/amqp-0-9-1-errata#section_3
 */
export function checkHeaders(
  given: { readonly [name: string]: HeaderValue | undefined } | undefined,
  publishedAt: string,
  ours?: Readonly<Record<string, unknown>>,
): CheckedHeaders {
  const headers: Record<string, unknown> = { 'x-cdc-published-at': publishedAt, ...ours }
  let bytes = tableBytes(ours ?? {}, about)
  if (given !== undefined) {
    if (!isPlainObject(given)) fail('Expected `headers` to be a plain object')
    for (const name in given) {
      const value = given[name]
      if (value === undefined || !Object.hasOwn(given, name)) continue
      if (name === '__proto__') fail('The header name `__proto__` can not be carried')
      if (name === 'CC' || name === 'BCC') fail(`The header \`${name}\` routes`, undefined, ROUTES)
      const header = value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value
      bytes += fieldBytes(name, header, name, 1, about)
      headers[name] = header
    }
  }
  // Counting takes longer than the rest, and hardly any come near the limit.
  if (tableRoom(bytes) > MAX_TABLE_BYTES) {
    const exact = tableBytes(headers)
    if (exact > MAX_TABLE_BYTES)
      fail(`The headers take ${exact} bytes, more than the ${MAX_TABLE_BYTES} that AMQP carries`)
  }
  return { headers, bytes }
}

/** Bytes of headers as an AMQP table; refuses values that it can't carry. */
export function tableBytes(headers: Readonly<Record<string, unknown>>, measure: TextMeasure = exactly): number {
  let bytes = 4
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && Object.hasOwn(headers, name)) bytes += fieldBytes(name, value, name, 1, measure)
  }
  return bytes
}

/** About how many bytes headers take, a text one for each UTF-16 unit; 0 for what can't be sent. */
export function headersSize(headers: { readonly [name: string]: HeaderValue | undefined } = {}): number {
  try {
    return tableBytes(headers, about)
  } catch {
    return 0
  }
}

/** How many bytes headers that were checked take at most, with the time. */
export function tableRoom(bytes: number): number {
  return TIME_BYTES + MAX_BYTES_PER_UNIT * bytes
}

function fieldBytes(name: string, value: unknown, header: string, depth: number, measure: TextMeasure): number {
  if (MAX_BYTES_PER_UNIT * name.length > 255 && exactly(name) > 255)
    fail(`The name of a header or of a field in it is ${exactly(name)} bytes long, more than 255`, header)
  if (!isWellFormed(name)) fail(`Expected a name in well-formed Unicode, got ${HALF}`, header)
  return 1 + measure(name) + valueBytes(value, header, depth, measure)
}

function valueBytes(value: unknown, header: string, depth: number, measure: TextMeasure): number {
  if (typeof value === 'string') {
    // It would arrive as U+FFFD, a value that the sender never gave.
    if (!isWellFormed(value)) fail(`Expected well-formed Unicode, got ${HALF}`, header)
    return 5 + measure(value)
  }
  if (typeof value === 'number') return numberBytes(value, header)
  if (typeof value === 'boolean') return 2
  if (value === null) return 1
  if (typeof value !== 'object') return fail(`A ${typeof value} can not be sent`, header, hintFor(typeof value))
  if (depth > MAX_DEPTH) return fail(`The value is nested deeper than ${MAX_DEPTH} levels`, header)
  if (Array.isArray(value)) {
    let bytes = 5
    for (const item of value) bytes += valueBytes(item, header, depth + 1, measure)
    return bytes
  }
  if (Buffer.isBuffer(value)) return 5 + value.length
  if (!isPlainObject(value)) return fail(`${kindOf(value)} can not be sent`, header, hintFor(kindOf(value)))
  let bytes = 5
  for (const name of Object.keys(value)) {
    // `!` is amqplib's way to choose a wire type: data must not.
    if (name === '!' || name === '__proto__') return fail(`A field named \`${name}\` can not be carried`, header)
    const field = value[name]
    if (field !== undefined) bytes += fieldBytes(name, field, header, depth + 1, measure)
  }
  return bytes
}

function numberBytes(value: number, header: string): number {
  if (!Number.isFinite(value)) return fail('Expected a finite number', header)
  if (value < -(2 ** 63)) return fail('The number is below the smallest that AMQP can carry', header)
  if (Math.floor(value) !== value || value >= 2 ** 63) return 9
  if (value >= -0x80 && value < 0x80) return 2
  if (value >= -0x8000 && value < 0x8000) return 3
  return value >= -0x80000000 && value < 0x80000000 ? 5 : 9
}

function isPlainObject(value: object): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function kindOf(value: object): string {
  if (value instanceof Date) return 'A Date'
  if (value instanceof Uint8Array) return 'A Uint8Array inside of an array or object'
  return 'An object of a class'
}

function hintFor(kind: string): string | undefined {
  if (kind === 'A Date') return 'send its ISO string, or its milliseconds as a number'
  if (kind === 'bigint') return 'send it as a string'
  if (kind.startsWith('A Uint8Array')) return 'make it a Buffer'
  return undefined
}

function fail(text: string, header?: string, hint?: string): never {
  const where = header === undefined ? '' : ` in the header \`${header.replace(/[^\x20-\x7e]/g, '?').slice(0, 60)}\``
  throw new PublishError('CDC_HEADERS_INVALID', 'invalid', text + where, hint === undefined ? {} : { hint })
}
