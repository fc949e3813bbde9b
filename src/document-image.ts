/**
 * Of which moment the looked-up document of an update is. The event itself doesn't tell a post-image from a lookup; only
 * the source knows what it has asked for, and says so on the event, under a symbol: no field of a document can collide
 * with it, no encoder writes it, and it survives `{ ...event, fullDocument }`.
 */
export const documentImage: unique symbol = Symbol.for('mongo-rabbit-cdc.documentImage')

/** `stored`: the post-image, as it was after this change. `looked-up`: as it was when the event was read. */
export type DocumentImage = 'stored' | 'looked-up'

/** Says of which moment the document of this event is. */
export function markImage(event: object, image: DocumentImage): void {
  const marked = event as { [documentImage]?: DocumentImage }
  marked[documentImage] = image
}

/** What {@link markImage} has said of it. */
export function imageOf(event: unknown): DocumentImage | undefined {
  return (event as { readonly [documentImage]?: DocumentImage } | null | undefined)?.[documentImage]
}
