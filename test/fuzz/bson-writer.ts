/** BSON that is written element by element into one buffer, so that documents can be such as no library would write. */

let bytes = Buffer.alloc(2 ** 20)
let at = 0

/** What `write` has written. */
export function written(write: () => void): Buffer {
  at = 0
  write()
  return Buffer.from(bytes.subarray(0, at))
}

/** Type and name; the value has to follow. */
export function element(type: number, name: Uint8Array | string): void {
  byte(type)
  cString(name)
}

/** A document or array with what `write` writes in it. */
export function nested(write: () => void): void {
  sized(() => {
    write()
    byte(0)
  })
}

/** What `write` writes, behind the length of all. */
export function sized(write: () => void): void {
  const start = at
  int32(0)
  write()
  bytes.writeInt32LE(at - start, start)
}

/** Text of any bytes but NUL. */
export function cString(text: Uint8Array | string): void {
  raw(text)
  byte(0)
}

/** Text of any bytes, with its length. */
export function string(text: Uint8Array | string): void {
  const start = at
  int32(0)
  cString(text)
  bytes.writeInt32LE(at - start - 4, start)
}

export function raw(given: Uint8Array | string): void {
  const from = typeof given === 'string' ? Buffer.from(given) : given
  room(from.length)
  bytes.set(from, at)
  at += from.length
}

export function byte(value: number): void {
  room(1)
  bytes[at++] = value
}

export function int32(value: number): void {
  room(4)
  at = bytes.writeInt32LE(value | 0, at)
}

export function int64(value: bigint): void {
  room(8)
  at = bytes.writeBigInt64LE(BigInt.asIntN(64, value), at)
}

export function double(value: number): void {
  room(8)
  at = bytes.writeDoubleLE(value, at)
}

function room(length: number): void {
  if (at + length > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(bytes.length + length)])
}
