import { writeAscii } from '../write-ascii.js'

/**
 * The headers that were written last. Those of the next message mostly differ in few values and not in lengths: then
 * their bytes are copied, and only these values are written.
 */
export class LastTable {
  readonly #names: string[] = []
  readonly #values: unknown[] = []
  /** Where each text begins, behind the beginning of the table; 0 for what no text can be written over. */
  readonly #places: number[] = []
  #buffer: Buffer | undefined
  #from = 0
  #to = 0

  /** Writes the headers there if they are like the last ones. Returns where the table ends, or 0: anything may stand there. */
  repeat(buffer: Buffer, at: number, headers: Readonly<Record<string, unknown>>): number {
    if (buffer !== this.#buffer) return 0
    buffer.copyWithin(at, this.#from, this.#to)
    let field = 0
    for (const name in headers) {
      const value = headers[name]
      if (value === undefined || !Object.hasOwn(headers, name)) continue
      if (name !== this.#names[field] || !this.#repeatValue(buffer, at, field, value)) return 0
      field += 1
    }
    if (field !== this.#names.length) return 0
    this.#to += at - this.#from
    this.#from = at
    return this.#to
  }

  /** Another table begins there; each of its fields is to be added. Until it is kept, there is none. */
  begin(from: number): this {
    this.forget()
    this.#names.length = this.#values.length = this.#places.length = 0
    this.#from = from
    this.#to = from + SIZE_BYTES
    return this
  }

  /** The table is whole. */
  keep(buffer: Buffer): void {
    this.#buffer = buffer
  }

  /** What stands there can't be relied on. */
  forget(): void {
    this.#buffer = undefined
  }

  /** A field was written that ends there; its value took so many bytes. */
  add(name: string, value: unknown, end: number, bytes: number): void {
    this.#names.push(name)
    this.#values.push(value)
    const isAscii = typeof value === 'string' && value.length + LENGTH_BYTES === bytes
    this.#places.push(isAscii ? end - this.#from - value.length : 0)
    this.#to = end
  }

  #repeatValue(buffer: Buffer, at: number, field: number, value: unknown): boolean {
    const before = this.#values[field]
    if (value === before && typeof value !== 'object') return true
    const place = this.#places[field] as number
    if (place === 0 || typeof value !== 'string' || value.length !== (before as string).length) return false
    this.#values[field] = value
    return writeAscii(buffer, value, at + place)
  }
}

/** Of a table, in front. */
const SIZE_BYTES = 4
/** A long text has its type and its length in front. */
const LENGTH_BYTES = 5
