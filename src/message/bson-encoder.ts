import { types } from 'node:util'
import { bsonTypeOf } from '../bson-value.js'
import { TransformError } from '../errors.js'
import { assertKnown, assertMethods } from '../options.js'
import type { Encoder } from '../types.js'

/** What is used of the driver's BSON library. */
export interface BsonLibrary {
  /** The bytes of a document. */
  serialize(document: object, options?: { readonly ignoreUndefined?: boolean }): Uint8Array
}

/** Options of {@link bsonEncoder}. */
export interface BsonEncoderOptions {
  /**
   * `BSON` as `mongodb` exports it: that of the driver that reads the events, since one major of the library refuses
   * values of another.
   */
  readonly BSON: BsonLibrary
}

/** MongoDB takes 180 levels; more means that a transform made a cycle. */
const MAX_DEPTH = 250

/**
 * Bodies in BSON, as the server stores documents: every type is kept, and consumers decode with any BSON library.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. `encode` throws TransformError `CDC_ENCODE_FAILED` for
 * what BSON or the library can't write: functions, symbols, dates beyond JavaScript's range, integers beyond 64 bits,
 * more than about 16 MiB.
 *
 * @example
 * import { BSON } from 'mongodb'
 * import { bsonEncoder, changeEventMessage } from 'mongo-rabbit-cdc'
 *
 * const shape = changeEventMessage({ encoder: bsonEncoder({ BSON }) })
 */
export function bsonEncoder(options: BsonEncoderOptions): Encoder {
  assertKnown('bsonEncoder', options, ['BSON'])
  const library = assertMethods('BSON', options.BSON, ['serialize'])
  return {
    contentType: 'application/bson',
    needsExactTypes: true,
    encode: body => library.serialize(storable(body, 0) as object, { ignoreUndefined: false }),
  }
}

/**
 * The value with Maps for documents. The library would take a user's field `_bsontype` for its own, leave functions out,
 * and write dates and integers that don't fit as others.
 */
function storable(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) refuse(`at most ${MAX_DEPTH} levels`, 'more, most likely a cycle')
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) !== value) refuse('integers of 64 bits', 'a larger one')
  if (typeof value === 'function' || typeof value === 'symbol') refuse('values that BSON knows', `a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(item => storable(item, depth + 1))
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) refuse('dates that JavaScript can hold', 'one beyond them')
    return value
  }
  if (types.isUint8Array(value) || types.isRegExp(value) || bsonTypeOf(value) !== undefined) return value
  const fields: Iterable<[unknown, unknown]> = types.isMap(value) ? value : Object.entries(value)
  const document = new Map<unknown, unknown>()
  for (const [name, field] of fields) document.set(name, storable(field, depth + 1))
  return document
}

function refuse(expected: string, got: string): never {
  throw new TransformError('CDC_ENCODE_FAILED', `Expected the body to hold ${expected}, got ${got}`)
}
