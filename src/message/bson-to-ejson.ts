import { isUtf8 } from 'node:buffer'
import {
  ARRAY,
  BINARY,
  BOOLEAN,
  DATE,
  DOCUMENT,
  DOUBLE,
  documentOf,
  endOfName,
  endOfValue,
  INT32,
  INT64,
  int32At,
  NULL,
  OBJECT_ID,
  STRING,
  TIMESTAMP,
} from '../bson-layout.js'
import type { ByteWriter } from '../byte-writer.js'
import { fieldNamesAt } from '../field-names.js'
import { longValue } from './bson-type.js'
import { binaryText, dateText, type EjsonMode, ejsonText, quoted, timestampText } from './ejson-encoder.js'
import { doubleText, int32Text, int64Text } from './ejson-numbers.js'

/**
 * From the bytes of a document to the bytes of its Extended JSON, without an object in between, in a fraction of the
 * time. The result is, to the byte, what the encoder makes of the decoded document: a document that an object would show
 * in another way than it stands there, and values of rare types, are decoded.
 */

/** What a walk carries along. */
export interface Transcoding {
  readonly writer: ByteWriter
  /** Of the bytes that are walked. */
  readonly view: DataView
  readonly mode: EjsonMode
  /** Decodes a document as the source does. */
  decode(bytes: Uint8Array): object
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const MAX_ASCII = 0x7f
/** The server takes 180 levels. */
const MAX_DEPTH = 200
/** The subtype of binaries whose bytes begin with their length once more. */
const OLD_BINARY = 2

/** Writes the document that begins at `start`. */
export function writeDocument(bytes: Buffer, start: number, walk: Transcoding, depth = 0): void {
  const { writer } = walk
  const begin = writer.at
  writer.byte(OPENING_BRACE)
  if (depth < MAX_DEPTH && writeFields(bytes, start, walk, [], depth)) {
    writer.byte(CLOSING_BRACE)
    return
  }
  writer.at = begin
  const document = walk.decode(bytes.subarray(start, start + int32At(bytes, start)))
  writer.text(ejsonText(document, walk.mode))
}

/**
 * Writes the fields of the document that begins at `start`, without braces, and without those of these names. Writes
 * nothing and returns false where an object would show them in another way.
 */
export function writeFields(
  bytes: Buffer,
  start: number,
  walk: Transcoding,
  without: readonly string[] = [],
  depth = 0,
): boolean {
  const { writer } = walk
  const begin = writer.at
  const end = start + int32At(bytes, start) - 1
  const names = fieldNamesAt(depth)
  let at = start + 4
  while (at < end) {
    const type = bytes[at] as number
    const name = at + 1
    const value = endOfName(bytes, name) + 1
    at = endOfValue(bytes, type, value)
    if (at < value || at > end || !names.take(bytes, name, value - 1)) {
      writer.at = begin
      return false
    }
    if (without.length > 0 && isOneOf(without, bytes, name, value - 1)) continue
    if (writer.at > begin) writer.byte(COMMA)
    writeString(bytes, name, value - 1, walk)
    writer.byte(COLON)
    writeValue(bytes, type, value, at, walk, depth)
  }
  return true
}

function writeArray(bytes: Buffer, start: number, walk: Transcoding, depth: number): void {
  const { writer } = walk
  const end = start + int32At(bytes, start) - 1
  writer.byte(OPENING_BRACKET)
  let at = start + 4
  while (at < end) {
    if (at > start + 4) writer.byte(COMMA)
    const type = bytes[at] as number
    const value = endOfName(bytes, at + 1) + 1
    at = endOfValue(bytes, type, value)
    if (at < value || at > end) throw new RangeError('A value reaches beyond its array')
    writeValue(bytes, type, value, at, walk, depth)
  }
  writer.byte(CLOSING_BRACKET)
}

function writeValue(bytes: Buffer, type: number, from: number, to: number, walk: Transcoding, depth: number): void {
  if (type === STRING && to > from + 4) writeString(bytes, from + 4, to - 1, walk)
  else if (type === DOCUMENT) writeDocument(bytes, from, walk, depth + 1)
  else if (type === ARRAY && depth < MAX_DEPTH) writeArray(bytes, from, walk, depth + 1)
  else {
    const text = scalarText(bytes, type, from, to, walk.mode === 'relaxed')
    walk.writer.text(text ?? decodedText(bytes, type, from, to, walk))
  }
}

/** `undefined` for types that are rare. */
function scalarText(bytes: Buffer, type: number, from: number, to: number, relaxed: boolean): string | undefined {
  switch (type) {
    case INT32:
      return int32Text(int32At(bytes, from), relaxed)
    case DOUBLE:
      return doubleText(bytes.readDoubleLE(from), relaxed)
    case INT64:
      return int64Text(int64At(bytes, from), relaxed)
    case DATE:
      return dateText(int64At(bytes, from), relaxed)
    case BOOLEAN:
      return bytes[from] === 1 ? 'true' : 'false'
    case NULL:
      return 'null'
    case OBJECT_ID:
      return `{"$oid":"${bytes.toString('hex', from, to)}"}`
    case TIMESTAMP:
      return timestampText(int32At(bytes, from + 4), int32At(bytes, from))
    case BINARY: {
      const subType = bytes[from + 4] as number
      return subType === OLD_BINARY ? undefined : binaryText(bytes.toString('base64', from + 5, to), subType)
    }
    default:
      return undefined
  }
}

function decodedText(bytes: Buffer, type: number, from: number, to: number, walk: Transcoding): string {
  const { v } = walk.decode(documentOf(type, bytes.subarray(from, to))) as { v: unknown }
  return ejsonText(v, walk.mode)
}

function isOneOf(names: readonly string[], bytes: Buffer, from: number, to: number): boolean {
  for (const name of names) if (isAt(name, bytes, from, to)) return true
  return false
}

/** Whether this name, which is in ASCII, stands there. */
function isAt(name: string, bytes: Buffer, from: number, to: number): boolean {
  if (name.length !== to - from) return false
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) !== bytes[from + i]) return false
  return true
}

function int64At(bytes: Buffer, at: number): number | bigint {
  return longValue({ high: int32At(bytes, at + 4), low: int32At(bytes, at), unsigned: false })
}

/** Text in quotes: the bytes as they are, but for what JSON escapes. */
function writeString(bytes: Buffer, from: number, to: number, walk: Transcoding): void {
  const { writer, view } = walk
  const begin = writer.at
  writer.byte(QUOTE)
  const at = writer.copyPlain(view, from, to)
  if (at < to && !writeRest(bytes, at, to, walk)) {
    writer.at = begin
    writer.text(quoted(bytes.toString('utf8', from, to)))
  } else writer.byte(QUOTE)
}

/** The text from its first byte on that isn't plain; false for what is no UTF-8. */
function writeRest(bytes: Buffer, from: number, to: number, { writer, view }: Transcoding): boolean {
  if (!isUtf8(bytes.subarray(from, to))) return false
  for (let at = from; at < to; at = writer.copyPlain(view, at, to)) {
    const code = bytes[at] as number
    if (code > MAX_ASCII) at = writer.copyWide(bytes, at, to)
    else writer.text(escapes[bytes[at++] as number] as string)
  }
  return true
}

/** For each character of ASCII what a string of JSON has for it. */
const escapes = Array.from({ length: MAX_ASCII + 1 }, (_, code) => quoted(String.fromCharCode(code)).slice(1, -1))
