/** The type byte of zero; a positive integer of `n` bytes has this plus `n + 1`. */
const ZERO = 0x29
/** Behind the type byte of the timestamp and its eight bytes come version, token type, and the place. */
const FIRST_INTEGER = 18
const PLACE = 2

/**
 * The place of a change within its transaction, from 0, as the server counts: from the resume token, so that it is the
 * same each time the change is read. `undefined` where a token is of another form.
 * @see https://github.com/mongodb/mongo/blob/master/src/mongo/db/pipeline/resume_token.h
 */
export function transactionIndexOf(token: string): number | undefined {
  let at = FIRST_INTEGER
  for (let integer = 0; ; integer++) {
    const type = Number.parseInt(token.slice(at, at + 2), 16)
    const size = type === ZERO ? 0 : type - ZERO - 1
    if (!(type === ZERO || (size >= 1 && size <= 6))) return undefined
    const digits = token.slice(at + 2, at + 2 + 2 * size)
    // The lowest bit tells whether a fraction follows.
    const value = size === 0 ? 0 : Number.parseInt(digits, 16) / 2
    if (digits.length < 2 * size || !Number.isInteger(value)) return undefined
    if (integer === PLACE) return value
    at += 2 + 2 * size
  }
}
