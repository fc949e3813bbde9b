import { endOfName } from '../bson-layout.js'

/** Longer texts hardly come again. */
const MAX_LENGTH = 40
const SLOTS = 256
const MAX_ASCII = 0x7f

/** How many texts of one event are expected to be those of the one before. */
const SEQUENCE = 64

/**
 * Reads text from bytes in UTF-8; invalid ones become U+FFFD. Names of fields, databases and collections come again
 * with every event, and mostly in the same order: such short ones are kept, a fixed number of them, and found by their
 * bytes, which costs less than to make a string.
 */
export class RecurringText {
  /** Where the last name ended that was read: the place of its NUL. */
  end = 0
  readonly #kept = new Array<string | undefined>(SLOTS)
  /** The short texts of the last event, in their order. */
  readonly #sequence = new Array<string | undefined>(SEQUENCE)
  #next = 0

  /** The first text of another event comes next. */
  begin(): void {
    this.#next = 0
  }

  /** The text up to the next NUL, whose place is {@link RecurringText.end} then. */
  readName(bytes: Buffer, from: number): string {
    const expected = this.#sequence[this.#next]
    if (expected !== undefined && isAt(expected, bytes, from) && bytes[from + expected.length] === 0) {
      this.#next += 1
      this.end = from + expected.length
      return expected
    }
    this.end = endOfName(bytes, from)
    return this.read(bytes, from, this.end)
  }

  read(bytes: Buffer, from: number, to: number): string {
    if (to - from > MAX_LENGTH) return bytes.toString('utf8', from, to)
    const place = this.#next++
    const expected = this.#sequence[place]
    if (expected?.length === to - from && isAt(expected, bytes, from)) return expected
    return this.#lookUp(bytes, from, to, place)
  }

  #lookUp(bytes: Buffer, from: number, to: number, place: number): string {
    let hash = to - from
    let beyondAscii = 0
    let isName = true
    for (let i = from; i < to; i++) {
      const code = bytes[i] as number
      hash = (Math.imul(hash, 31) + code) | 0
      beyondAscii |= code
      if (code === 0) isName = false
    }
    if (beyondAscii > MAX_ASCII) return bytes.toString('utf8', from, to)
    const slot = hash & (SLOTS - 1)
    const kept = this.#kept[slot]
    const isKept = kept?.length === to - from && isAt(kept, bytes, from)
    const text = isKept ? kept : bytes.toString('latin1', from, to)
    this.#kept[slot] = text
    // A value may have a NUL in it, at which a name would end.
    if (place < SEQUENCE && isName) this.#sequence[place] = text
    return text
  }
}

/** Whether these bytes are there; the text has to be in ASCII. */
function isAt(text: string, bytes: Buffer, from: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false
  return true
}
