import { BSON } from 'mongodb'
import { millisecondsOf } from '../../src/date-ms.js'
import type { EjsonMode } from '../../src/message/ejson-encoder.js'

/** Goes in front of names and texts that are to be something else in the end; no document has it in it. */
const SIGN = '\ue000cdc\ue001'
const MINUS_ZERO = `${SIGN}minus zero`
const LIMIT = 2 ** 53

/**
 * What `EJSON.stringify` of the BSON library writes for a decoded document, but for what
 * docs/messages.md says otherwise: each deviation is a line of `standIn`, everything else is the library's.
 */
export function documentedText(document: object, mode: EjsonMode): string {
  const text = BSON.EJSON.stringify(standIn(document, mode === 'relaxed'), { relaxed: mode === 'relaxed' })
  return text.includes(SIGN) ? text.replaceAll(`"${MINUS_ZERO}"`, '-0').replaceAll(SIGN, '') : text
}

function standIn(value: unknown, relaxed: boolean): unknown {
  if (relaxed && Object.is(value, -0)) return MINUS_ZERO
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(item => standIn(item, relaxed))
  if (value instanceof Date) return dateStandIn(value)
  if (value instanceof BSON.BSONValue) return bsonStandIn(value, relaxed)
  const copy = {}
  for (const [name, field] of Object.entries(value)) {
    // The library would take it for a class of its own.
    set(copy, name === '_bsontype' ? SIGN + name : name, standIn(field, relaxed))
  }
  return copy
}

/** Dates keep all their 64 bits. */
function dateStandIn(date: Date): unknown {
  return Number.isNaN(date.getTime()) ? { $date: { $numberLong: String(millisecondsOf(date)) } } : date
}

function bsonStandIn(value: BSON.BSONValue, relaxed: boolean): unknown {
  if (value instanceof BSON.Code)
    return value.scope ? new BSON.Code(value.code, scopeStandIn(value.scope, relaxed)) : value
  if (value instanceof BSON.DBRef) return referenceStandIn(value, relaxed)
  // The library refuses vectors (subtype 9) whose bytes are none.
  if (value instanceof BSON.Binary && value.sub_type === 9) {
    return { $binary: { base64: Buffer.from(value.value()).toString('base64'), subType: '09' } }
  }
  if (!relaxed) return value
  if (value instanceof BSON.Double && Object.is(value.value, -0)) return MINUS_ZERO
  if (value instanceof BSON.BSONSymbol) return value.value
  if (value._bsontype === 'Long' && isBeyond(value as BSON.Long)) {
    return { $numberLong: value.toString() }
  }
  return value
}
/** A Timestamp is a Long for JavaScript, too. */
function isBeyond(value: BSON.Long): boolean {
  return value.greaterThan(LIMIT) || value.lessThan(-LIMIT)
}

function scopeStandIn(scope: object, relaxed: boolean): BSON.Document {
  return standIn(scope, relaxed) as BSON.Document
}

/** As a document: `$id` may be anything, and numbers among its further names don't go to the front. */
function referenceStandIn(ref: BSON.DBRef, relaxed: boolean): object {
  const copy = { $ref: ref.collection, $id: standIn(ref.oid, relaxed), ...(ref.db && { $db: ref.db }) }
  for (const [name, field] of Object.entries(ref.fields)) set(copy, SIGN + name, standIn(field, relaxed))
  return copy
}

/** Also of the name `__proto__`. */
function set(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
}
