import type { MongoClient } from 'mongodb'
import { SourceError } from '../errors.js'
import type { ClusterTime } from '../types.js'
import { replyOptions } from './reply-options.js'

/** Which deployment the client talks to, and what time it is there. */
export interface Deployment {
  /** Name of the replica set, or `sharded`. */
  readonly name: string
  /** Id of the replica set, where the user may read it. */
  readonly id: string | undefined
  readonly sharded: boolean
  /** `host:port` of the server that answered, as the set knows it. */
  readonly server: string | undefined
  /** Time of the last operation: where "now" is in the oplog. */
  readonly operationTime: ClusterTime
  /** The newest of the server's times, wall clock included: nothing saved can be later. */
  readonly now: ClusterTime
}

/** Reply of `hello`. @see https://www.mongodb.com/docs/manual/reference/command/hello/ */
interface Hello {
  readonly setName?: string
  readonly msg?: string
  readonly isreplicaset?: boolean
  readonly me?: string
  readonly localTime: Date
  readonly operationTime?: ClusterTime
}

/** Asks the server. @throws SourceError `CDC_NOT_REPLICA_SET` for a standalone server */
export async function describeDeployment(client: MongoClient): Promise<Deployment> {
  const admin = client.db('admin')
  const hello = (await admin.command({ hello: 1 }, replyOptions)) as unknown as Hello
  const sharded = hello.msg === 'isdbgrid'
  if (!sharded && hello.setName === undefined) {
    throw hello.isreplicaset
      ? new SourceError('CDC_SOURCE_UNAVAILABLE', 'The replica set is not initiated yet', { retryable: true })
      : new SourceError('CDC_NOT_REPLICA_SET', 'Expected a replica set or a sharded cluster, got a standalone server', {
          hint: 'start mongod with `--replSet` and run `rs.initiate()`, also for one node',
        })
  }
  const { operationTime } = hello
  if (operationTime === undefined) {
    throw new SourceError('CDC_SOURCE_UNAVAILABLE', 'The server does not tell its operation time yet', {
      retryable: true,
    })
  }
  const wall = Math.floor(hello.localTime.getTime() / 1000)
  return {
    name: sharded ? 'sharded' : (hello.setName ?? ''),
    id: sharded ? undefined : await replicaSetId(client),
    sharded,
    server: hello.me,
    operationTime: { t: operationTime.t, i: operationTime.i },
    now: { t: Math.max(wall, operationTime.t), i: operationTime.i },
  }
}

/**
 * Whether the server can send an event in parts that is larger than 16 MiB. An answer without a version, or a refusal,
 * is that of a server that can't.
 */
export async function splitsLargeEvents(client: MongoClient): Promise<boolean> {
  try {
    const { versionArray } = await client.db('admin').command({ buildInfo: 1 }, replyOptions)
    return hasSplitStage(Array.isArray(versionArray) ? versionArray.map(Number) : [])
  } catch (error) {
    if (typeof (error as { code?: unknown }).code === 'number') return false
    throw error // not reached: a position that such a server gave must not go to one that can't
  }
}

/** MongoDB 6.0.9 and its successors, and everything from 7.0 on; not the rapid releases between. Pure. */
export function hasSplitStage([major = 0, minor = 0, patch = 0]: readonly number[]): boolean {
  return major >= 7 || (major === 6 && minor === 0 && patch >= 9)
}

/** Tells two sets of one name apart; needs a privilege that few applications have, so it may stay unknown. */
async function replicaSetId(client: MongoClient): Promise<string | undefined> {
  try {
    const { config } = await client.db('admin').command({ replSetGetConfig: 1 }, replyOptions)
    return String(config.settings.replicaSetId)
  } catch {
    return undefined
  }
}
