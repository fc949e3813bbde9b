import type { ClusterTime, Position } from './types.js'

/**
 * Why a position can't be one that a source has written, in words that hold nothing of its token; `undefined` where it
 * can. A server takes some broken tokens without a word and then skips events, so this is asked wherever a position is
 * saved, loaded or used. The one rule for all: a store has to refuse what its source would refuse.
 */
export function positionProblem(position: Position | undefined): string | undefined {
  const { kind, clusterTime, token, origin } = position ?? ({} as Partial<Position>)
  if (kind !== 'time' && kind !== 'event' && kind !== 'highWaterMark') return 'its `kind` is unknown'
  if (!isClusterTime(clusterTime)) return 'its `clusterTime` is not a time of an oplog'
  if (kind !== 'time' && isEmpty(token)) return 'its `token` is missing or empty'
  if (!isOfTime(token, clusterTime)) return 'its `token` is not of its `clusterTime`'
  if (origin !== undefined && !isOrigin(origin)) return 'its `origin` is incomplete'
  return undefined
}

/** Whether a value is a time that a server can have: two unsigned 32-bit numbers, the seconds not zero. */
export function isClusterTime(value: unknown): value is ClusterTime {
  const { t, i } = (value ?? {}) as Partial<ClusterTime>
  return isUint32(t) && t > 0 && isUint32(i)
}

function isUint32(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
}

function isEmpty(token: unknown): boolean {
  if (token === undefined || token === null || token === '') return true
  if (typeof token !== 'object') return false
  return '_data' in token ? isEmpty(token._data) : Object.keys(token).length === 0
}

/**
 * Whether the time within the token of a server is that of the position: `82`, then 4 bytes of seconds and 4 of the
 * counter, in hex. Tokens that aren't a server's have nothing to compare.
 */
function isOfTime(token: unknown, { t, i }: ClusterTime): boolean {
  const data = (token as { _data?: unknown } | null | undefined)?._data
  if (typeof data !== 'string') return true
  return data.slice(0, 18).toLowerCase() === `82${hex32(t)}${hex32(i)}` && /^([\da-f]{2})+$/i.test(data)
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

function isOrigin(origin: Position['origin']): boolean {
  if (typeof origin !== 'object' || origin === null) return false
  const { deployment, deploymentId = '', watch } = origin
  return [deployment, deploymentId, watch].every(value => typeof value === 'string')
}
