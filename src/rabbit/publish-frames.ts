import { SHORT_TEXT, writeAscii } from '../write-ascii.js'
import type { AmqpPublishOptions } from './amqp-types.js'
import { tableRoom } from './header-check.js'
import { LastTable } from './last-table.js'
import { DELIVERY_MODE, HEADERS, PRIORITY, SHORT_STRINGS, TIMESTAMP } from './property-flags.js'

/**
 * The frames of `basic.publish`, of many messages in one buffer, to the byte what amqplib makes of the same messages,
 * which encodes each frame into a buffer of its own and copies them together. Values were checked before: only what
 * the caller has changed since then can fail.
 * Format: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 2.3.5 and 4.2.
 */

const METHOD = 1
const HEADER = 2
const BODY = 3
const FRAME_END = 0xce
/** What is allocated at once, and at most gathered: about forty messages of 1 KB. */
const SLAB = 64 * 1024
/** Type, channel, size, and the end of a frame. */
export const FRAME_OVERHEAD: number = 8
const CLASS_BASIC = 60
const METHOD_PUBLISH = 40

/** Larger messages go frame by frame: their bodies shall not be copied once more. */
export const MAX_COPIED_BODY: number = 16 * 1024

/** Where the message goes, and over which channel. */
export interface PublishTarget {
  readonly channel: number
  readonly exchange: string
  readonly routingKey: string
}

// Frames are appended to a larger buffer and cut off it; what was cut off is never written again.
let buffer = Buffer.alloc(0)
let at = 0
/** Where the frames begin that nobody has taken. */
let begin = 0
/** Where the last whole message ends. */
let end = 0
const last = new LastTable()

/** Appends all frames of a message whose body fits into one frame and is no longer than {@link MAX_COPIED_BODY}. */
export function appendFrames(target: PublishTarget, options: AmqpPublishOptions, body: Buffer): void {
  at = end
  methodFrame(target, options.mandatory)
  headerFrame(target.channel, options, body.length)
  if (body.length > 0) {
    const size = beginFrame(BODY, target.channel)
    buffer.set(body, at)
    at += body.length
    endFrame(size)
  }
  // What is written beyond the end is dropped in silence. The caller may have changed a list since it was checked.
  if (at > buffer.length) {
    last.forget()
    throw new RangeError('The message has grown since it was checked')
  }
  end = at
}

/** Makes room for the frames of one message. Where there is none, or much has been gathered, returns what nobody has taken. */
export function makeRoom(headerBytes: number, body: Buffer): Buffer | undefined {
  // Frames, numbers and eleven short strings of at most 256 bytes; what isn't needed is for the next message.
  const room = 3_072 + tableRoom(headerBytes) + body.length
  const fits = buffer.length - end >= room
  if (fits && end - begin < SLAB / 2) return undefined
  const left = takeFrames()
  if (!fits) {
    buffer = Buffer.allocUnsafeSlow(Math.max(SLAB, room))
    begin = end = 0
  }
  return left
}

/** The frames since the last call, in their order. */
export function takeFrames(): Buffer {
  const frames = buffer.subarray(begin, end)
  begin = end
  return frames
}

function methodFrame({ channel, exchange, routingKey }: PublishTarget, mandatory: boolean): void {
  const size = beginFrame(METHOD, channel)
  u16(CLASS_BASIC)
  u16(METHOD_PUBLISH)
  u16(0) // reserved
  shortString(exchange)
  shortString(routingKey)
  buffer[at++] = mandatory ? 1 : 0
  endFrame(size)
}

function headerFrame(channel: number, options: AmqpPublishOptions, bodyLength: number): void {
  const size = beginFrame(HEADER, channel)
  u16(CLASS_BASIC)
  u16(0) // weight
  u32(0)
  u32(bodyLength)
  const flagsAt = at
  at += 2
  let flags = HEADERS | DELIVERY_MODE
  flags |= shortProperty('contentType', options) | shortProperty('contentEncoding', options)
  headerTable(options.headers)
  buffer[at++] = options.deliveryMode
  if (options.priority !== undefined) {
    flags |= PRIORITY
    buffer[at++] = options.priority
  }
  flags |= shortProperty('correlationId', options) | shortProperty('replyTo', options)
  flags |= shortProperty('expiration', options) | shortProperty('messageId', options)
  if (options.timestamp !== undefined) {
    flags |= TIMESTAMP
    u32(Math.floor(options.timestamp / 2 ** 32))
    u32(options.timestamp)
  }
  flags |= shortProperty('type', options) | shortProperty('userId', options) | shortProperty('appId', options)
  buffer[flagsAt] = flags >>> 8
  buffer[flagsAt + 1] = flags & 0xff
  endFrame(size)
}

/** Writes it where the message has it; returns its flag. */
function shortProperty(name: keyof typeof SHORT_STRINGS, options: AmqpPublishOptions): number {
  const value = options[name]
  if (value === undefined) return 0
  shortString(value)
  return SHORT_STRINGS[name]
}

/** Returns where the size of the frame is to be written. */
function beginFrame(type: number, channel: number): number {
  buffer[at++] = type
  u16(channel)
  at += 4
  return at - 4
}

function endFrame(sizeAt: number): void {
  buffer.writeUInt32BE(at - sizeAt - 4, sizeAt)
  buffer[at++] = FRAME_END
}

function u16(value: number): void {
  buffer[at++] = value >>> 8
  buffer[at++] = value & 0xff
}

function u32(value: number): void {
  at = buffer.writeUInt32BE(value >>> 0, at)
}

function shortString(text: string): void {
  const length = write(text, at + 1)
  buffer[at] = length
  at += 1 + length
}

function write(text: string, from: number): number {
  return text.length <= SHORT_TEXT && writeAscii(buffer, text, from) ? text.length : buffer.write(text, from)
}

function headerTable(headers: Readonly<Record<string, unknown>>): void {
  const repeatedTo = last.repeat(buffer, at, headers)
  if (repeatedTo > 0) at = repeatedTo
  else {
    table(headers, last.begin(at))
    last.keep(buffer)
  }
}

function table(fields: Readonly<Record<string, unknown>>, written?: LastTable): void {
  const sizeAt = at
  at += 4
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined || !Object.hasOwn(fields, name)) continue
    shortString(name)
    const from = at
    fieldValue(value)
    written?.add(name, value, at, at - from)
  }
  buffer.writeUInt32BE(at - sizeAt - 4, sizeAt)
}

function fieldValue(value: unknown): void {
  if (typeof value === 'string') longString(value)
  else if (typeof value === 'number') number(value)
  else if (typeof value === 'boolean') {
    tag('t')
    buffer[at++] = value ? 1 : 0
  } else if (value === null) tag('V')
  else if (Array.isArray(value)) {
    tag('A')
    const sizeAt = at
    at += 4
    for (const item of value) fieldValue(item)
    buffer.writeUInt32BE(at - sizeAt - 4, sizeAt)
  } else if (Buffer.isBuffer(value)) {
    tag('x')
    u32(value.length)
    at += value.copy(buffer, at)
  } else {
    tag('F')
    table(value as Record<string, unknown>)
  }
}

function longString(text: string): void {
  tag('S')
  const length = write(text, at + 4)
  buffer.writeUInt32BE(length, at)
  at += 4 + length
}

/**
 * The narrowest type that holds it; see https://www.rabbitmq.com/amqp-0-9-1-errata#section_3. As amqplib does it, but
 * for fractions beyond 2^50, at which amqplib throws.
 */
function number(value: number): void {
  if (value >= 2 ** 63 || !Number.isInteger(value)) {
    tag('d')
    at = buffer.writeDoubleBE(value, at)
  } else if (value >= -0x80 && value < 0x80) {
    tag('b')
    at = buffer.writeInt8(value, at)
  } else if (value >= -0x8000 && value < 0x8000) {
    tag('s')
    at = buffer.writeInt16BE(value, at)
  } else if (value >= -0x80000000 && value < 0x80000000) {
    tag('I')
    at = buffer.writeInt32BE(value, at)
  } else {
    tag('l')
    at = buffer.writeBigInt64BE(BigInt(value), at)
  }
}

function tag(letter: string): void {
  buffer[at++] = letter.charCodeAt(0)
}
