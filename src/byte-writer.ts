import { SHORT_TEXT, writeAscii } from './write-ascii.js'

const INITIAL = 64 * 1024
/** What is larger is let go of when a message is through. */
const KEPT = 1024 * 1024

const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MAX_ASCII = 0x7f

/** Bytes that are written piece by piece, text in UTF-8. The buffer is used again: one result at a time. */
export class ByteWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL)
  view: DataView = viewOf(this.bytes)
  /** Where the next byte goes; can be set back. */
  at: number = 0

  /** Forgets what was written before. */
  begin(text: string): void {
    this.at = 0
    this.text(text)
  }

  /** Sees to it that so many bytes can be written. */
  room(bytes: number): void {
    if (this.at + bytes <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.at + bytes, 2 * this.bytes.length))
    this.bytes.copy(larger, 0, 0, this.at)
    this.#use(larger)
  }

  text(text: string): void {
    const { length } = text
    this.room(3 * length)
    const written = length <= SHORT_TEXT && writeAscii(this.bytes, text, this.at)
    this.at += written ? length : this.bytes.write(text, this.at)
  }

  byte(code: number): void {
    this.room(1)
    this.bytes[this.at++] = code
  }

  /**
   * Copies the bytes that stand as they are in a string of JSON; returns where it stopped: at a control character, a
   * quote, a backslash or the first byte beyond ASCII. Four at a time, as most of a message is text.
   */
  copyPlain(source: DataView, from: number, to: number): number {
    this.room(to - from)
    const { view } = this
    let [i, at] = [from, this.at]
    for (let word = 0; i + 4 <= to; i += 4, at += 4) {
      word = source.getInt32(i, true)
      if (hasSpecial(word)) break
      view.setInt32(at, word, true)
    }
    for (let code = 0; i < to; i++, at++) {
      code = source.getUint8(i)
      if (!isPlain(code)) break
      view.setUint8(at, code)
    }
    this.at = at
    return i
  }

  /** Copies all bytes of a part. */
  copy(source: Buffer, from: number, to: number): void {
    this.room(to - from)
    source.copy(this.bytes, this.at, from, to)
    this.at += to - from
  }

  /** Copies for as long as bytes are beyond ASCII; returns where it stopped. */
  copyWide(source: Uint8Array, from: number, to: number): number {
    this.room(to - from)
    const { bytes, at } = this
    let i = from
    for (let code = 0; i < to; i++) {
      code = source[i] as number
      if (code <= MAX_ASCII) break
      bytes[at + i - from] = code
    }
    this.at = at + i - from
    return i
  }

  /** All that was written, in a buffer of its own. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.at)
    this.bytes.copy(taken, 0, 0, this.at)
    this.release()
    return taken
  }

  /** What was written is of no use any more. */
  release(): void {
    this.at = 0
    if (this.bytes.length > KEPT) this.#use(Buffer.allocUnsafeSlow(INITIAL))
  }

  #use(bytes: Buffer): void {
    this.bytes = bytes
    this.view = viewOf(bytes)
  }
}

/** Reads and writes several bytes at once. */
export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** Whether a string of JSON holds this byte as it is. */
function isPlain(code: number): boolean {
  return code >= SPACE && code <= MAX_ASCII && code !== QUOTE && code !== BACKSLASH
}

/**
 * Whether one of four bytes isn't plain: a subtraction sets the highest bit of a byte that was too small for it, in the
 * second and third only that of zero, which is what the exclusive or makes of a quote and a backslash.
 */
function hasSpecial(word: number): boolean {
  const small = word - 0x20202020
  const quote = (word ^ 0x22222222) - 0x01010101
  const backslash = (word ^ 0x5c5c5c5c) - 0x01010101
  return ((small | quote | backslash | word) & 0x80808080) !== 0
}
