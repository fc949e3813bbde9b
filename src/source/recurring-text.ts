/** Longer texts hardly come again. */
const MAX_LENGTH = 40
const SLOTS = 256
const MAX_ASCII = 0x7f

/**
 * Reads text from bytes in UTF-8; invalid ones become U+FFFD. Names of fields, databases and collections come again
 * with every event: such short ones are kept, a fixed number of them, and found by their bytes, which costs less than
 * to make a string.
 */
export class RecurringText {
  readonly #kept = new Array<string | undefined>(SLOTS)

  read(bytes: Buffer, from: number, to: number): string {
    if (to - from > MAX_LENGTH) return longText(bytes, from, to)
    let hash = to - from
    let beyondAscii = 0
    for (let i = from; i < to; i++) {
      const code = bytes[i] as number
      hash = (Math.imul(hash, 31) + code) | 0
      beyondAscii |= code
    }
    if (beyondAscii > MAX_ASCII) return bytes.toString('utf8', from, to)
    const slot = hash & (SLOTS - 1)
    const kept = this.#kept[slot]
    if (kept !== undefined && isAt(kept, bytes, from, to)) return kept
    const text = bytes.toString('latin1', from, to)
    this.#kept[slot] = text
    return text
  }
}

/** Such as a resume token: all of it is ASCII, and then no UTF-8 has to be decoded. */
function longText(bytes: Buffer, from: number, to: number): string {
  let beyondAscii = 0
  for (let i = from; i < to; i++) beyondAscii |= bytes[i] as number
  return bytes.toString(beyondAscii > MAX_ASCII ? 'utf8' : 'latin1', from, to)
}

function isAt(text: string, bytes: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false
  for (let i = from; i < to; i++) if (text.charCodeAt(i - from) !== bytes[i]) return false
  return true
}
