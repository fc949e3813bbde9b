import {
  ARRAY,
  DB_POINTER,
  DECIMAL128,
  DOCUMENT,
  endOfName,
  endOfValue,
  int32At,
  MAX_KEY,
  MIN_KEY,
  NULL,
  STRING,
  UNDEFINED,
} from '../bson-layout.js'
import { ByteWriter } from '../byte-writer.js'
import { fieldNamesAt } from '../field-names.js'
import type { FieldEdit } from './edit-paths.js'
import { KEPT, REMOVED } from './edit-value.js'
import { childrenAt, elementsOf, type RuleNodes, ruleOf } from './rule-tree.js'

/**
 * A document edited in its bytes, which costs a fraction of an object: what stays is copied as it stands there. The
 * result, decoded, is to the last field what the rules make of the decoded document; where that isn't certain, the
 * document has to be decoded.
 *
 * Returns the same bytes when nothing changes, `undefined` when the document has to be decoded.
 */
export function editBytes<R>(bytes: Buffer, nodes: RuleNodes<R>, edit: FieldEdit<R>): Buffer | undefined {
  const editing = new ByteEditing(bytes, edit)
  return editing.end(editing.fields(0, nodes, 0))
}

/** The server takes 180 levels. */
const MAX_DEPTH = 200

/** Stands for a value that nobody has decoded. */
export const something: unique symbol = Symbol('something')

/** Where a field stands, or an element of an array. */
export interface Place {
  /** Of its type, in front of its name. */
  readonly from: number
  /** Of its value. */
  readonly value: number
  /** Behind it. */
  readonly to: number
  readonly inArray: boolean
}

// Scratch: what is taken from it is a copy.
const writer = new ByteWriter()

/** One walk through a document. What a method returns false for has to be decoded. */
export class ByteEditing<R> {
  readonly #bytes: Buffer
  readonly #edit: FieldEdit<R>
  /** How far the bytes are copied, or left out. */
  #copied = 0

  constructor(bytes: Buffer, edit: FieldEdit<R>) {
    this.#bytes = bytes
    this.#edit = edit
    writer.begin('')
  }

  /** All bytes as edited, the same when nothing was; `undefined` when it wasn't done. */
  end(isEdited: boolean): Buffer | undefined {
    if (!isEdited) {
      writer.release()
      return undefined
    }
    if (this.#copied === 0) return this.#bytes
    writer.copy(this.#bytes, this.#copied, this.#bytes.length)
    return writer.take()
  }

  /** Edits the document that begins there. */
  fields(start: number, nodes: RuleNodes<R>, depth: number): boolean {
    return this.each(start, depth, false, place => {
      const below = childrenAt(nodes, this.#bytes, place.from + 1, place.value - 1)
      return this.#field(place, below, depth)
    })
  }

  #elements(start: number, nodes: RuleNodes<R>, depth: number): boolean {
    let index = 0
    return this.each(start, depth, true, place => {
      const below = elementsOf(nodes, String(index++), this.#bytes[place.from] === DOCUMENT)
      return this.#field(place, below, depth)
    })
  }

  /** Calls this for each field of the document that begins there, or element of the array, until it returns false. */
  each(start: number, depth: number, inArray: boolean, edit: (place: Place) => boolean): boolean {
    const bytes = this.#bytes
    const end = start + int32At(bytes, start) - 1
    const begin = this.#placeOf(start)
    const names = fieldNamesAt(depth)
    let from = start + 4
    while (from < end) {
      const type = bytes[from] as number
      const value = endOfName(bytes, from + 1) + 1
      const to = endOfValue(bytes, type, value)
      if (to < value || to > end || !isKnown(type)) return false
      // An old pointer becomes a reference, which has fields.
      if (inArray ? type === DB_POINTER : !names.take(bytes, from + 1, value - 1)) return false
      if (!edit({ from, value, to, inArray })) return false
      from = to
    }
    this.#measure(start, end + 1, begin)
    return from === end && bytes[end] === 0
  }

  /** Edits what is there by the rules that have been reached. */
  edit(place: Place, nodes: RuleNodes<R>, depth: number): boolean {
    const type = this.#bytes[place.from]
    if (depth === MAX_DEPTH || type === DB_POINTER) return false
    if (type === DOCUMENT) return this.fields(place.value, nodes, depth + 1)
    if (type === ARRAY) return this.#elements(place.value, nodes, depth + 1)
    return this.put(place, keptOr(this.#edit.withoutFields(type === NULL || type === UNDEFINED ? null : something)))
  }

  #field(place: Place, nodes: RuleNodes<R>, depth: number): boolean {
    if (nodes.length === 0) return this.put(place, keptOr(this.#edit.outside(something)))
    const rule = ruleOf(nodes)
    if (rule === undefined) return this.edit(place, nodes, depth)
    return nodes.length === 1 && this.put(place, this.#edit.always(rule))
  }

  /** What is there stays, goes, or becomes this text; `undefined`: nobody can say without the value. */
  put(place: Place, what: ReturnType<FieldEdit<R>['always']>): boolean {
    if (what === undefined) return false
    if (what === KEPT) return true
    writer.copy(this.#bytes, this.#copied, place.from)
    if (what !== REMOVED) this.#putText(place, what)
    else if (place.inArray) {
      // Positions stay, as in MongoDB.
      writer.byte(NULL)
      writer.copy(this.#bytes, place.from + 1, place.value)
    }
    this.#copied = place.to
    return true
  }

  #putText(place: Place, text: string): void {
    writer.byte(STRING)
    writer.copy(this.#bytes, place.from + 1, place.value)
    const length = Buffer.byteLength(text) + 1
    writer.room(4)
    writer.at = writer.bytes.writeInt32LE(length, writer.at)
    writer.text(text)
    writer.byte(0)
  }

  /** Where in the result the byte comes to stand, as far as can be told up to now. */
  #placeOf(at: number): number {
    return writer.at + at - this.#copied
  }

  /** Writes the length of a document, if it has become another one. */
  #measure(start: number, end: number, begin: number): void {
    const length = this.#placeOf(end) - begin
    if (length !== end - start) writer.bytes.writeInt32LE(length, begin)
  }
}

/** What becomes of it, where a value isn't changed. */
export function keptOr(edited: unknown): typeof KEPT | typeof REMOVED {
  return edited === REMOVED ? REMOVED : KEPT
}

function isKnown(type: number): boolean {
  return (type > 0 && type <= DECIMAL128) || type === MIN_KEY || type === MAX_KEY
}
