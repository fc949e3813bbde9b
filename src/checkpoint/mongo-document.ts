import type { BSONSerializeOptions, FindOptions, UpdateOptions, WriteConcern } from 'mongodb'
import type { Checkpoint } from '../types.js'
import { canonicalText, checksumOf, fromStored, orderedOrigin, toStored } from './codec.js'
import { corrupt, newer } from './errors.js'
import { type Bson, type StoredFields, storedVersion } from './stored-checkpoint.js'

/** The document: the stored fields with the name as `_id`, and their checksum; beside them there may be a lease. */
export interface StoredDocument extends Omit<StoredFields, 'name'> {
  readonly _id: string
  readonly checksum: string
  readonly lease?: unknown
}

/** As it was stored, whatever the client's own BSON options are: the checksum tells an int from a double. */
export const readOptions: FindOptions = {
  readPreference: 'primary',
  readConcern: 'majority',
  maxTimeMS: 10_000,
  promoteValues: false,
  promoteLongs: false,
  promoteBuffers: false,
  useBigInt64: false,
  bsonRegExp: true,
  raw: false,
  fieldsAsRaw: {},
}

/** Bounded: with too few members for a majority the server would wait for ever. */
const writeConcern: Pick<WriteConcern, 'w' | 'journal' | 'wtimeoutMS'> = {
  w: 'majority',
  journal: true,
  wtimeoutMS: 10_000,
}

/** Of every write: its answer and its errors as they are read here, whatever the client's own BSON options are. */
export const writeOptions: Pick<UpdateOptions, keyof BSONSerializeOptions | 'writeConcern'> = {
  writeConcern,
  promoteValues: true,
  promoteLongs: true,
  useBigInt64: false,
  raw: false,
  fieldsAsRaw: {},
}

/** What a save sets: all but the key, and the lease, which has writes of its own. */
export type SavedFields = Omit<StoredDocument, '_id' | 'lease'>

/** The fields to set for a checkpoint. */
export function toUpdate(bson: Bson, checkpoint: Checkpoint): SavedFields {
  const stored = toStored(bson, checkpoint)
  const { v, position, savedAt } = stored
  return { v, position, savedAt, checksum: checksumOf(canonicalText(bson, stored)) }
}

/**
 * The checkpoint in a document that was read with {@link readOptions}; `undefined` where a lease is all there is, as
 * before the first save.
 *
 * @throws CheckpointError `CDC_CHECKPOINT_CORRUPT`
 */
export function toCheckpoint(bson: Bson, document: StoredDocument, where: string): Checkpoint | undefined {
  const { _id: name, v, position, savedAt, checksum, lease } = document
  if (lease !== undefined && [v, position, savedAt, checksum].every(field => field === undefined)) return undefined
  if (Number(v) > storedVersion) throw newer(where)
  if (typeof position !== 'object' || position === null) throw corrupt(where, 'it holds no position')
  const { kind, clusterTime, token, origin } = position
  const fields: StoredFields = {
    v: Number(v),
    name,
    position: {
      kind,
      clusterTime,
      ...(token !== undefined && { token }),
      ...(origin && { origin: orderedOrigin(origin) }),
    },
    savedAt,
  }
  if (checksum !== checksumOf(canonicalText(bson, fields))) throw corrupt(where, 'it was changed')
  return fromStored(fields, where)
}
