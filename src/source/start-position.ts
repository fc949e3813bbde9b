import type { ClusterTime, Position, PositionOrigin } from '../types.js'
import type { Deployment } from './deployment.js'
import { positionOf } from './position.js'
import type { ResumeTokenDocument } from './reader.js'
import type { ResolvedOptions } from './source-options.js'
import type { Watch } from './watch.js'

/** Where a stream starts that has no checkpoint. Pure. */
export function startOf(options: ResolvedOptions, deployment: Deployment, watch: Watch): Position {
  const { startAfter, startAtOperationTime: at } = options
  const origin = originOf(deployment, watch)
  if (startAfter !== undefined) {
    return positionOf(startAfter as ResumeTokenDocument, origin)
  }
  if (at === undefined) return nowOf(deployment, watch)
  const clusterTime: ClusterTime =
    at instanceof Date ? { t: Math.floor(at.getTime() / 1000), i: 0 } : { t: at.t, i: at.i }
  return { kind: 'time', clusterTime, origin }
}

/** Now: behind the newest operation, which happened before the start and isn't a change since. */
export function nowOf(deployment: Deployment, watch: Watch): Position {
  const { t, i } = deployment.operationTime
  return { kind: 'time', clusterTime: { t, i: i + 1 }, origin: originOf(deployment, watch) }
}

/** What a position says of where it was read. */
export function originOf(deployment: Deployment, watch: Watch): PositionOrigin {
  return {
    deployment: deployment.name,
    watch: watch.digest,
    ...(deployment.id !== undefined && { deploymentId: deployment.id }),
  }
}
