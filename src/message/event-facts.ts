/**
 * What message shapes take: every event of a change stream, also one that a step before has changed, with another
 * document or another `_id` in it. A bare document is none.
 */
export interface ChangeEvent {
  readonly operationType: string
  readonly ns?: { readonly db?: string; readonly coll?: string } | undefined
  readonly documentKey?: { readonly _id?: unknown } | undefined
  readonly fullDocument?: object | null | undefined
}

/**
 * What a change event tells about itself, read by shape: a transform may have removed fields, and which of them an
 * event has depends on its operation and on the server's version.
 */
interface EventFields {
  readonly _id?: { readonly _data?: unknown }
  readonly ns?: { readonly db?: string; readonly coll?: string }
  readonly documentKey?: { readonly _id?: unknown }
  readonly fullDocument?: object | null
  readonly clusterTime?: { readonly high: number; readonly low: number }
  readonly wallTime?: Date
}

function fieldsOf(event: ChangeEvent): EventFields {
  return event as unknown as EventFields
}

/** Database and collection, where the event has them. */
export function namespaceOf(event: ChangeEvent): { db: string | undefined; coll: string | undefined } {
  const { ns } = fieldsOf(event)
  return { db: ns?.db, coll: ns?.coll }
}

/** The `_id` of the document, from its key, else from the document. */
export function documentIdOf(event: ChangeEvent): unknown {
  const { documentKey, fullDocument } = fieldsOf(event)
  // Not `??`: `null` is an id too.
  if (documentKey?._id !== undefined) return documentKey._id
  return (fullDocument as { readonly _id?: unknown } | null | undefined)?._id
}

/** The document after the change; absent for deletes, and for updates that weren't or couldn't be looked up. */
export function fullDocumentOf(event: ChangeEvent): object | undefined {
  return fieldsOf(event).fullDocument ?? undefined
}

/** Seconds and counter, padded: texts sort like the times. */
export function clusterTimeOf(event: ChangeEvent): string | undefined {
  const { clusterTime } = fieldsOf(event)
  if (clusterTime === undefined) return undefined
  const digits = [clusterTime.high, clusterTime.low].map(half => String(half >>> 0).padStart(10, '0'))
  return digits.join('.')
}

/** When the change was made, in whole seconds since 1970: by the server's clock, else by the cluster time. */
export function secondsOf(event: ChangeEvent): number | undefined {
  const { wallTime, clusterTime } = fieldsOf(event)
  const ms = wallTime?.getTime()
  if (ms !== undefined && ms >= 0) return Math.floor(ms / 1000)
  return clusterTime === undefined ? undefined : clusterTime.high >>> 0
}

/** The sortable text of the resume token. */
export function tokenOf(event: ChangeEvent): string | undefined {
  const data = fieldsOf(event)._id?._data
  return typeof data === 'string' ? data : undefined
}
