const INITIAL = 64 * 1024
/** What is larger is let go of when a message is through. */
const KEPT = 1024 * 1024
/** Up to here a loop over the characters is faster than a call into the runtime. */
const SHORT = 48

/** Text in UTF-8 that is written piece by piece. The buffer is used again: one writer makes one text at a time. */
export class ByteWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL)
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
    this.bytes = larger
  }

  text(text: string): void {
    const { length } = text
    this.room(3 * length)
    if (length > SHORT || !this.#ascii(text)) this.at += this.bytes.write(text, this.at)
  }

  byte(code: number): void {
    this.room(1)
    this.bytes[this.at++] = code
  }

  copy(source: Uint8Array, from: number, to: number): void {
    this.room(to - from)
    this.bytes.set(source.subarray(from, to), this.at)
    this.at += to - from
  }

  /** Copies for as long as `table` has a 1 for the byte; returns where it stopped. */
  copyWhile(table: Uint8Array, source: Uint8Array, from: number, to: number): number {
    this.room(to - from)
    const { bytes, at } = this
    let i = from
    for (let code = 0; i < to; i++) {
      code = source[i] as number
      if (table[code] === 0) break
      bytes[at + i - from] = code
    }
    this.at = at + i - from
    return i
  }

  /** All that was written, in a buffer of its own. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.at)
    this.bytes.copy(taken, 0, 0, this.at)
    if (this.bytes.length > KEPT) this.bytes = Buffer.allocUnsafeSlow(INITIAL)
    return taken
  }

  #ascii(text: string): boolean {
    const { bytes, at } = this
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return false
      bytes[at + i] = code
    }
    this.at = at + text.length
    return true
  }
}
