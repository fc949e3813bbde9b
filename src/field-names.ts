import { isUtf8 } from 'node:buffer'

/** Beyond this many, names are looked up and not compared one by one. */
const FEW = 24
const DOLLAR = 0x24
const ZERO = 0x30
const NINE = 0x39

/**
 * The names of one document in the order of its bytes, for as long as an object would keep them so: each only once,
 * none of them a number (objects move those to the front), none with a `$` in front (it may be a DBRef). Names are told
 * by a hash: two that only seem to be equal cost time and nothing else.
 */
export class FieldNames {
  readonly #hashes: number[] = []
  #count = 0
  #lookup: Set<number> | undefined

  /** Forgets those of the document before. */
  begin(): void {
    this.#count = 0
    this.#lookup = undefined
  }

  /** Takes the next name; false when an object would not keep it as it is. */
  take(bytes: Buffer, from: number, to: number): boolean {
    if (bytes[from] === DOLLAR) return false
    let hash = to - from
    let digits = to > from
    let beyondAscii = false
    for (let at = from; at < to; at++) {
      const code = bytes[at] as number
      hash = (Math.imul(hash, 31) + code) | 0
      if (code < ZERO || code > NINE) digits = false
      if (code > 0x7f) beyondAscii = true
    }
    if (digits || (beyondAscii && !isUtf8(bytes.subarray(from, to)))) return false
    return this.#isNew(hash)
  }

  #isNew(hash: number): boolean {
    if (this.#count < FEW) {
      for (let i = 0; i < this.#count; i++) if (this.#hashes[i] === hash) return false
      this.#hashes[this.#count++] = hash
      return true
    }
    this.#lookup ??= new Set(this.#hashes)
    if (this.#lookup.has(hash)) return false
    this.#lookup.add(hash)
    return true
  }
}

// Scratch: one for each depth, used again by each document there.
const scratch: FieldNames[] = []

/** For the names of a document at this depth of a walk; those of the one before are forgotten. */
export function fieldNamesAt(depth: number): FieldNames {
  const names = scratch[depth] ?? new FieldNames()
  scratch[depth] = names
  names.begin()
  return names
}
