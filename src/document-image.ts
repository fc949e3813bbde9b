/**
 * Of which moment the document of an event is, where the event itself doesn't tell: a post-image looks like a lookup, and
 * an event that was cut like one without document. Only the source knows, and says so on the event, under a symbol: no
 * field of a document can collide with it, no encoder writes it, and it survives `{ ...event, fullDocument }`.
 */
export const documentImage: unique symbol = Symbol.for('mongo-rabbit-cdc.documentImage')

/**
 * `stored`: the post-image, as it was after this change. `looked-up`: as it was when the event was read. `re-read`: the
 * event was larger than the server can send, so that it has its document alone, as it was when the event was read.
 * `oversized`: the event was larger than the server can send, and has none.
 */
export type DocumentImage = 'stored' | 'looked-up' | 're-read' | 'oversized'

const images: readonly unknown[] = ['stored', 'looked-up', 're-read', 'oversized'] satisfies readonly DocumentImage[]

/** Whether that is one of the values that a source says; what was read from a letter may be anything. */
export function isDocumentImage(value: unknown): value is DocumentImage {
  return images.includes(value)
}

/** Says of which moment the document of this event is. */
export function markImage(event: object, image: DocumentImage): void {
  const marked = event as { [documentImage]?: DocumentImage }
  marked[documentImage] = image
}

/**
 * What the source has said of the document of this event: `undefined` for an update that carries none, and for what is
 * part of the change itself (inserts and replacements that could be read whole). A step that builds an event anew, other
 * than by `{ ...event }`, leaves it behind.
 *
 * @example
 * import { documentImageOf, filter } from 'mongo-rabbit-cdc'
 *
 * const readable = filter(event => documentImageOf(event) !== 'oversized')
 */
export function documentImageOf(event: unknown): DocumentImage | undefined {
  return (event as { readonly [documentImage]?: DocumentImage } | null | undefined)?.[documentImage]
}
