import { SourceError } from '../errors.js'
import { positionProblem } from '../position.js'
import type { ClusterTime, Position, PositionOrigin } from '../types.js'
import type { ResumeTokenDocument } from './reader.js'

/** What a position says, and whether it can be used here. Pure. */

// A high-water mark holds nothing but a time; the token of an event goes on with collection and document key.
// 30 digits on MongoDB 6, 32 on 7 and newer; the shortest of an event, a dropped database, has 34.
const HIGH_WATER_MARK_LENGTH = 32

/** The cluster time at the head of a resume token: one type byte, then seconds and counter, 4 bytes each. */
export function timeOfToken(token: ResumeTokenDocument): ClusterTime {
  const t = Number.parseInt(token._data.slice(2, 10), 16)
  const i = Number.parseInt(token._data.slice(10, 18), 16)
  return { t, i }
}

/** Whether a value has the form of a resume token, so that an empty one never opens a stream at "now". */
export function isToken(value: unknown): value is ResumeTokenDocument {
  const data = (value as ResumeTokenDocument | null | undefined)?._data
  return typeof data === 'string' && /^[0-9A-Fa-f]{18,}$/.test(data)
}

/** The position after everything up to this token. */
export function positionOf(token: ResumeTokenDocument, origin: PositionOrigin): Position {
  const kind = token._data.length <= HIGH_WATER_MARK_LENGTH ? 'highWaterMark' : 'event'
  return { kind, clusterTime: timeOfToken(token), token, origin }
}

/** -1, 0 or 1, as for sort. */
export function compareTimes(a: ClusterTime, b: ClusterTime): number {
  return Math.sign(a.t - b.t || a.i - b.i)
}

// Clocks of a set may differ a little, and an idle server's own times lie some seconds back.
const FUTURE_TOLERANCE_S = 5

/** What is known of the deployment when a position is judged. */
export interface Here {
  readonly origin: PositionOrigin
  /** The newest time that the server knows, by its oplog or by its wall clock. */
  readonly now: ClusterTime
}

/** Throws when the position can't be continued on this deployment; never lets one pass that would skip events. */
export function assertUsable(position: Position, { origin, now }: Here): void {
  const problem = positionProblem(position) ?? foreignToken(position)
  if (problem !== undefined) throw invalid(problem)
  const { clusterTime } = position
  const from = position.origin
  if (from !== undefined && isForeign(from, origin)) {
    throw new SourceError(
      'CDC_POSITION_FOREIGN',
      `The position belongs to the replica set "${from.deployment}"${id(from)}, and this is "${origin.deployment}"${id(origin)}`,
      { hint: 'use the checkpoint of this deployment, or remove it to start at now' },
    )
  }
  if (clusterTime.t > now.t + FUTURE_TOLERANCE_S) {
    throw new SourceError(
      'CDC_POSITION_IN_FUTURE',
      `The position (${clusterTime.t}) is ahead of the server's time (${now.t}), which would skip everything until then`,
      { hint: 'the checkpoint may come from another deployment, or the server was restored from a backup' },
    )
  }
}

function isForeign(from: PositionOrigin, here: PositionOrigin): boolean {
  if (from.deployment !== here.deployment) return true
  return from.deploymentId !== undefined && here.deploymentId !== undefined && from.deploymentId !== here.deploymentId
}

function id(origin: PositionOrigin): string {
  return origin.deploymentId === undefined ? '' : ` (id ${origin.deploymentId})`
}

/** A store takes the tokens of any source; this one reads those of a server alone. */
function foreignToken({ kind, token }: Position): string | undefined {
  return kind === 'time' || isToken(token) ? undefined : 'its `token` is not a resume token with hexadecimal `_data`'
}

function invalid(problem: string): SourceError {
  return new SourceError('CDC_POSITION_INVALID', `The position can not be used: ${problem}`, {
    hint: 'it was not written by this source, or it was damaged',
  })
}
