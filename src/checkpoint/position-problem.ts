import type { Position } from '../types.js'

const maxUint32 = 2 ** 32 - 1

/**
 * Why a position can't be one that a source has written, in words that hold nothing of its token; `undefined` where it
 * can. A server takes some broken tokens without a word and then skips events, so this is asked on saving and loading.
 */
export function positionProblem(position: Position): string | undefined {
  const { kind, clusterTime, token, origin } = position
  if (kind !== 'time' && kind !== 'event' && kind !== 'highWaterMark') return 'its `kind` is unknown'
  if (!isUint32(clusterTime?.t) || !isUint32(clusterTime?.i) || clusterTime.t === 0) {
    return 'its `clusterTime` is not a time of an oplog'
  }
  if (kind !== 'time' && isEmpty(token)) return 'its `token` is missing or empty'
  if (kind === 'event' && !isOfTime(token, clusterTime)) return 'its `token` is not of its `clusterTime`'
  if (origin !== undefined && !isOrigin(origin)) return 'its `origin` is incomplete'
  return undefined
}

function isUint32(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxUint32
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
function isOfTime(token: unknown, { t, i }: Position['clusterTime']): boolean {
  const data = (token as { _data?: unknown })._data
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
