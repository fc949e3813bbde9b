import type { MongoClient } from 'mongodb'
import type { ClusterTime, Position } from '../types.js'
import { replyOptions } from './reply-options.js'

/** How often the oplog is looked at. */
export const OPLOG_CHECK_MS = 30_000

/** How far the oplog reaches back, seen from where the source reads. */
export interface OplogWindow {
  /** Seconds from the oldest entry to the position that was read; at 0 it is lost, and the saved one was so before. */
  readonly secondsLeft: number
  /** Seconds from the oldest entry to the newest. */
  readonly seconds: number
}

/** What {@link tellingWindow} needs. */
export interface WindowTeller {
  readonly client: () => Promise<MongoClient>
  /** Whether anybody listens. */
  readonly wanted: () => boolean
  readonly tell: (window: OplogWindow) => void
}

/**
 * The same batches. Meanwhile it is told every 30 s how much of the oplog is left before the position rolls off, also
 * while nobody takes batches: a pipeline that waits for its broker grows old while connected. Without the right to read
 * `local` nothing is told.
 */
export async function* tellingWindow<R extends { readonly position: Position }>(
  batches: AsyncIterable<readonly R[]>,
  start: Position,
  { client, wanted, tell }: WindowTeller,
): AsyncGenerator<readonly R[], void, undefined> {
  let { clusterTime } = start
  let ended = false
  const look = async (): Promise<void> => {
    if (!wanted()) return
    const ends = await endsOf(client).catch(() => undefined) // away, or not allowed: others tell of that
    if (ends && !ended) tell(windowOf(ends, clusterTime))
  }
  const timer = setInterval(() => void look(), OPLOG_CHECK_MS)
  timer.unref()
  try {
    for await (const records of batches) {
      clusterTime = records.at(-1)?.position.clusterTime ?? clusterTime
      yield records
    }
  } finally {
    ended = true
    clearInterval(timer)
  }
}

/** Pure. */
export function windowOf([oldest, newest]: readonly [ClusterTime, ClusterTime], position: ClusterTime): OplogWindow {
  return { secondsLeft: Math.max(0, position.t - oldest.t), seconds: Math.max(0, newest.t - oldest.t) }
}

/** The times of the oldest and of the newest entry; `undefined` where there is no oplog, behind mongos. */
export async function endsOf(client: () => Promise<MongoClient>): Promise<[ClusterTime, ClusterTime] | undefined> {
  const oplog = (await client()).db('local').collection<{ ts: ClusterTime }>('oplog.rs')
  const end = async (order: 1 | -1): Promise<ClusterTime | undefined> =>
    (await oplog.findOne({}, { ...replyOptions, sort: { $natural: order }, projection: { ts: 1 } }))?.ts
  const [oldest, newest] = await Promise.all([end(1), end(-1)])
  return oldest && newest && [oldest, newest]
}
