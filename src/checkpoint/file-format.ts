import type { Checkpoint } from '../types.js'
import { canonicalText, checksumOf, fromStored, toStored } from './codec.js'
import { corrupt, newer } from './errors.js'
import { type Bson, type StoredFields, storedVersion } from './stored-checkpoint.js'

/**
 * The file: one line of canonical EJSON whose last field is the checksum of all that stands before it, byte for byte.
 * No byte can be another without being noticed, not even one that JSON wouldn't care about.
 */

const tail = /,"checksum":"([0-9a-f]{64})"\}\n$/
const tailLength = ',"checksum":""}\n'.length + 64

/** The bytes of a checkpoint file. */
export function toFile(bson: Bson, checkpoint: Checkpoint): Buffer {
  const text = canonicalText(bson, toStored(bson, checkpoint))
  return Buffer.from(`${text.slice(0, -1)},"checksum":"${checksumOf(text)}"}\n`)
}

/**
 * The checkpoint in the bytes of a file.
 *
 * @throws CheckpointError `CDC_CHECKPOINT_CORRUPT`
 */
export function fromFile(bson: Bson, bytes: Buffer, where: string): Checkpoint {
  if (bytes.length === 0) throw corrupt(where, 'it is empty')
  const checksum = tail.exec(bytes.toString('latin1', Math.max(0, bytes.length - tailLength)))?.[1]
  const body = Buffer.concat([bytes.subarray(0, -tailLength), Buffer.from('}')])
  if (checksum === undefined || checksum !== checksumOf(body)) {
    throw isNewer(bytes) ? newer(where) : corrupt(where, 'it is truncated or was changed')
  }
  const { v, ...fields } = bson.EJSON.parse(body.toString(), { relaxed: false }) as StoredFields
  return fromStored({ v: Number(v), ...fields }, where)
}

/** Whether it looks like a file of a later version, whose checksum this one can't know. */
function isNewer(bytes: Buffer): boolean {
  const version = /^\{"v":(?:\{"\$numberInt":")?(\d{1,9})\b/.exec(bytes.toString('latin1', 0, 40))?.[1]
  return Number(version) > storedVersion
}
