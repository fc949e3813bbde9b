/**
 * How documents lie in bytes: the BSON specification, version 1.1 (https://bsonspec.org/spec.html). An element is a
 * byte for its type, its name with a NUL behind it, and its value; a document is its length in four bytes, elements,
 * and a NUL.
 */

export const DOUBLE = 0x01
export const STRING = 0x02
export const DOCUMENT = 0x03
export const ARRAY = 0x04
export const BINARY = 0x05
export const UNDEFINED = 0x06
export const OBJECT_ID = 0x07
export const BOOLEAN = 0x08
export const DATE = 0x09
export const NULL = 0x0a
export const REGEXP = 0x0b
export const DB_POINTER = 0x0c
export const CODE = 0x0d
export const SYMBOL = 0x0e
export const CODE_WITH_SCOPE = 0x0f
export const INT32 = 0x10
export const TIMESTAMP = 0x11
export const INT64 = 0x12
export const DECIMAL128 = 0x13
export const MAX_KEY = 0x7f
export const MIN_KEY = 0xff

/** A signed integer of four bytes. Beyond the end it reads zeros. */
export function int32At(bytes: Uint8Array, at: number): number {
  return byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24)
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] as number
}

/** Where the NUL of a name is; the end of all bytes if there is none. */
export function endOfName(bytes: Uint8Array, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] !== 0) at++
  return at
}

/** Where the value ends that begins at `at`. */
export function endOfValue(bytes: Uint8Array, type: number, at: number): number {
  switch (type) {
    case DOUBLE:
    case DATE:
    case TIMESTAMP:
    case INT64:
      return at + 8
    case INT32:
      return at + 4
    case STRING:
    case CODE:
    case SYMBOL:
      return at + 4 + int32At(bytes, at)
    case DOCUMENT:
    case ARRAY:
    case CODE_WITH_SCOPE:
      return at + int32At(bytes, at)
    case BINARY:
      return at + 5 + int32At(bytes, at)
    case OBJECT_ID:
      return at + 12
    case BOOLEAN:
      return at + 1
    case REGEXP:
      return endOfName(bytes, endOfName(bytes, at) + 1) + 1
    case DB_POINTER:
      return at + 4 + int32At(bytes, at) + 12
    case DECIMAL128:
      return at + 16
    default:
      return at // null, undefined, MinKey and MaxKey have no bytes
  }
}

/** A document with this value alone in it, under the name `v`. */
export function documentOf(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(value.length + 8)
  new DataView(bytes.buffer).setInt32(0, bytes.length, true)
  bytes[4] = type
  bytes[5] = 0x76
  bytes.set(value, 7)
  return bytes
}
