import type { ClusterTime } from '../types.js'

/** What a token of the server names. */
export interface TokenParts {
  readonly clusterTime: ClusterTime
  /** 32 hex digits; absent for events of no collection. */
  readonly collectionUuid?: string
  /** The `_id` of the document; absent for events of no document. */
  readonly id?: unknown
}

/**
 * A resume token as a server of version 6 makes it: a sortable text that begins with the time and, for a document, ends
 * with its key. Good for everything but a server. Ids other than ObjectIds and strings go in as their text.
 * @see https://www.mongodb.com/docs/manual/changeStreams/#resume-tokens
 */
export function resumeToken({ clusterTime, collectionUuid, id }: TokenParts): { readonly _data: string } {
  const head = `82${hex(clusterTime.t)}${hex(clusterTime.i)}2B`
  if (collectionUuid === undefined) return { _data: `${head}022C0100296E04` }
  const collection = `022C0100296E5A1004${collectionUuid.toUpperCase()}`
  return { _data: `${head}${collection}${id === undefined ? '' : `46${keyOf(id)}`}04` }
}

function keyOf(id: unknown): string {
  const objectId = (id as { toHexString?(): string } | null)?.toHexString?.()
  if (objectId?.length === 24) return `645F69640064${objectId.toUpperCase()}00`
  return `3C5F6964003C${Buffer.from(String(id)).toString('hex').toUpperCase()}0000`
}

function hex(part: number): string {
  return part.toString(16).toUpperCase().padStart(8, '0')
}
