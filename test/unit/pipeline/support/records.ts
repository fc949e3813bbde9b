import type { EventRecord } from '../../../../src/pipeline/job.js'
import type { Position, SourceRecord } from '../../../../src/types.js'

/** What the fake source reads: a number in the stream, a key, a version that grows per key. */
export interface TestEvent {
  readonly n: number
  readonly key: string | undefined
}

/** The position after record number `n`. */
export function position(n: number): Position {
  return { kind: 'event', clusterTime: { t: n, i: 0 }, token: { _data: `t${n}` } }
}

/** Record number `n`: an event, by default with a key of its own. */
export function record(n: number, key = `k${n}`, size = 10): EventRecord<TestEvent> {
  return { ...barrier(n), event: { n, key }, key, size }
}

/** Record number `n`: an event without a key. */
export function barrier(n: number): EventRecord<TestEvent> {
  return { position: position(n), id: `id${n}`, event: { n, key: undefined }, size: 10, time: 1_000 + n }
}

/** Record number `n`: a position without an event. */
export function heartbeat(n: number): SourceRecord<TestEvent> {
  return { position: { ...position(n), kind: 'highWaterMark' } }
}
