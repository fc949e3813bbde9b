import { bsonTypeOf, type DbRefLike } from '../bson-value.js'

export { type DbRefLike, dbRefFields } from '../bson-value.js'

/**
 * Values of the BSON library, told and read by their shape: several copies and majors of it may meet in one process,
 * so neither `instanceof` nor an import would know them all.
 */

/** The classes of the BSON library, in the parts that are read here. */
export type BsonValue =
  | { readonly _bsontype: 'ObjectId'; toHexString(): string }
  | { readonly _bsontype: 'Int32' | 'Double'; readonly value: number }
  | LongLike
  | { readonly _bsontype: 'Decimal128'; toString(): string }
  | BinaryLike
  | { readonly _bsontype: 'Timestamp'; readonly high: number; readonly low: number }
  | { readonly _bsontype: 'BSONRegExp'; readonly pattern: string; readonly options: string }
  | { readonly _bsontype: 'BSONSymbol'; readonly value: string }
  | { readonly _bsontype: 'Code'; readonly code: string; readonly scope?: object | null }
  | DbRefLike
  | { readonly _bsontype: 'MinKey' | 'MaxKey' }

/** A 64-bit integer in two halves. */
export interface LongLike {
  readonly _bsontype: 'Long'
  readonly high: number
  readonly low: number
  readonly unsigned: boolean
}

/** Bytes with a subtype; a UUID is one of subtype 4. Only the first `position` bytes are its value. */
export interface BinaryLike {
  readonly _bsontype: 'Binary'
  readonly buffer: Uint8Array
  readonly position: number
  readonly sub_type: number
}

/** The value as one of the BSON library, or `undefined`; by its type see {@link bsonTypeOf}. */
export function asBson(value: object): BsonValue | undefined {
  return bsonTypeOf(value) === undefined ? undefined : (value as BsonValue)
}

/** A 64-bit integer: a number from -2^53 to 2^53 - 1, where doubles are exact and far cheaper, beyond a bigint. */
export function longValue({ high, low, unsigned }: Omit<LongLike, '_bsontype'>): number | bigint {
  const top = unsigned ? high >>> 0 : high
  if (top >= -0x200000 && top < 0x200000) return top * 0x100000000 + (low >>> 0)
  return (BigInt(top) << 32n) | BigInt(low >>> 0)
}

/** The bytes of a Binary, without the spare room behind them, in base64. */
export function base64Of(bytes: Uint8Array, length: number = bytes.length): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(length, bytes.length)).toString('base64')
}
