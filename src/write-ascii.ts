/** For texts of this length and less a loop over the characters is faster than a call into the runtime. */
export const SHORT_TEXT = 64

/** Writes the text, which is mostly short and plain; false, with anything written, for what is not in ASCII. */
export function writeAscii(bytes: Uint8Array, text: string, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return false
    bytes[from + i] = code
  }
  return true
}
