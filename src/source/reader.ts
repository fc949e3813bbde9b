import type { OversizedOutcome } from '../events.js'
import type { ClusterTime } from '../types.js'

/** How a batch is read: the one seam below supervision, with two implementations. */
export interface Reader {
  /**
   * The next batch as the server sends it, empty after at most `maxTimeMs` without an event. One call at a time.
   * Rejects with whatever the driver says.
   */
  nextBatch(maxTimeMs: number): Promise<ReaderBatch>
  /** Lets the server's cursor go; never rejects, bounded in time. */
  close(): Promise<void>
}

/** One batch. */
export interface ReaderBatch {
  /** In their order; whoever works on them takes them out. */
  readonly events: RawEvent[]
  /** The resume token after which reading can go on when all events of this batch are done. */
  readonly highWaterMark?: ResumeTokenDocument
  /** The cursor is closed: after an invalidate, which a filter may hide. */
  readonly closed: boolean
  /** This reader has done its part: the stream is to be opened anew behind this batch. */
  readonly handover?: boolean
}

/** A change event, decoded when somebody first reads it, with its size in BSON. Never to be spread: that would lose it. */
export interface RawEvent {
  readonly event: ChangeEvent
  readonly size: number
  /** Whether there may be a field of this name; doesn't decode the event. Where it is absent, there may be. */
  mayHave?(name: string): boolean
  /** Stable id of the event, where it isn't the text of its token. */
  readonly id?: string | undefined
  /** How it was read although it was too large. */
  readonly oversized?: OversizedOutcome | undefined
}

/** What this source reads of every event; the driver's own types describe the rest. */
export interface ChangeEvent {
  readonly _id: ResumeTokenDocument
  readonly operationType: string
  readonly clusterTime?: ClusterTime
  readonly wallTime?: Date
  readonly ns?: { readonly db: string; readonly coll?: string }
  readonly documentKey?: { readonly _id?: unknown }
  readonly fullDocument?: unknown
  readonly splitEvent?: { readonly fragment?: unknown; readonly of?: unknown }
}

/** A resume token: a document whose `_data` sorts in stream order. */
export interface ResumeTokenDocument {
  readonly _data: string
}
