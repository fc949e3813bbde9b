import { createHash } from 'node:crypto'
import type { Timestamp } from 'mongodb'
import { CheckpointError } from '../errors.js'
import { positionProblem } from '../position.js'
import type { Checkpoint, ClusterTime, Position, PositionOrigin } from '../types.js'
import { corrupt, newer } from './errors.js'
import { type Bson, type StoredFields, storedVersion } from './stored-checkpoint.js'

/**
 * Checkpoint ↔ what is stored. The checksum is the SHA-256 of {@link canonicalText}: what was stored is read back as it
 * was, to the last BSON type, or refused.
 */

/**
 * What is to be stored of a checkpoint.
 *
 * @throws CheckpointError `CDC_CHECKPOINT_FAILED`, not retryable, for a position that could not be read back
 */
export function toStored(bson: Bson, { name, position, savedAt }: Checkpoint): StoredFields {
  const problem = problemOf(name, position, savedAt)
  if (problem) {
    throw new CheckpointError(
      'CDC_CHECKPOINT_FAILED',
      `Refused to save a checkpoint that could not be read: ${problem}`,
    )
  }
  const { kind, clusterTime, token, origin } = position
  return {
    v: storedVersion,
    name,
    position: {
      kind,
      clusterTime: new bson.Timestamp({ t: clusterTime.t, i: clusterTime.i }),
      ...(token !== undefined && { token: withExactTypes(bson, token) }),
      ...(origin && { origin: orderedOrigin(origin) }),
    },
    savedAt: new Date(savedAt),
  }
}

/** Canonical EJSON of the fields, which is what the checksum covers. */
export function canonicalText(bson: Bson, stored: StoredFields): string {
  return bson.EJSON.stringify(stored, { relaxed: false })
}

/** The SHA-256, in hex. */
export function checksumOf(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

/**
 * The checkpoint in fields whose checksum the caller has found right.
 *
 * @throws CheckpointError `CDC_CHECKPOINT_CORRUPT` when it can't be one
 */
export function fromStored({ v, name, position, savedAt }: StoredFields, where: string): Checkpoint {
  if (v !== storedVersion) throw v > storedVersion ? newer(where) : corrupt(where, 'its version is unknown')
  if (typeof position !== 'object' || position === null) throw corrupt(where, 'it holds no position')
  const { kind, clusterTime, token, origin } = position
  const read: Position = {
    kind,
    clusterTime: toClusterTime(clusterTime),
    ...(token !== undefined && { token }),
    ...(origin !== undefined && { origin }),
  }
  const problem = problemOf(name, read, savedAt)
  if (problem) throw corrupt(where, problem)
  return { name, position: read, savedAt }
}

/** What has no such time fails the check of the position. */
function toClusterTime(stored: Timestamp | undefined): ClusterTime {
  if (stored?._bsontype !== 'Timestamp') return { t: Number.NaN, i: Number.NaN }
  return { t: stored.getHighBitsUnsigned(), i: stored.getLowBitsUnsigned() }
}

function problemOf(name: string, position: Position, savedAt: Date): string | undefined {
  if (typeof name !== 'string' || name === '') return 'its `name` is missing'
  if (!(savedAt instanceof Date) || Number.isNaN(savedAt.getTime())) return 'its `savedAt` is not a date'
  return positionProblem(position)
}

/** The token as it will come back: numbers as the BSON types that they are stored as. */
function withExactTypes(bson: Bson, token: unknown): unknown {
  return bson.deserialize(bson.serialize({ token }), { promoteValues: false, bsonRegExp: true }).token
}

/** A fixed order, on which the checksum depends. */
export function orderedOrigin({ deployment, deploymentId, watch }: PositionOrigin): PositionOrigin {
  return { deployment, ...(deploymentId !== undefined && { deploymentId }), watch }
}
