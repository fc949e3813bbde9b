// What is known of a run when it is over: everything that the checker judges, and nothing else.

/** An event as MongoDB itself tells it, to a plain change stream of the driver, in commit order. */
export interface TrueChange {
  /** `_data` of its resume token. */
  readonly token: string
  /** Namespace and `_id`; absent for events that concern no document. */
  readonly document?: string | undefined
  /** What the writer has put into it, or `deleted` and the document. */
  readonly mark?: string | undefined
}

/** Writes that MongoDB has acknowledged with majority: at least so many events must carry this mark. */
export interface Acknowledged {
  readonly mark: string
  readonly count: number
}

/** A message as it lay in a queue. */
export interface Arrival {
  readonly token: string
  readonly messageId: string
  /** Digest of its body. */
  readonly body: string
  /** Of the body. */
  readonly bytes: number
  /** It can't be the same in every copy: a document that was looked up, when the event was read. */
  readonly lookedUp: boolean
}

/**
 * A line that the process of the pipeline has written, synchronously, before the pipeline learned of it; so the lines
 * of all its lives are in one order. `key` of a position: its token, or the head that all tokens of its time have.
 */
export type LogLine = { readonly at: number } & (
  | { readonly kind: 'start' | 'ready' | 'disconnected' | 'final' }
  | { readonly kind: 'loaded'; readonly key: string | undefined }
  /** Handed to the publisher, which has it until it is confirmed or rejected; `letter`: as a dead letter. */
  | { readonly kind: 'sent' | 'confirmed' | 'rejected'; readonly id: string; readonly letter: boolean }
  | { readonly kind: 'saving' | 'saved'; readonly key: string }
  | { readonly kind: 'connected'; readonly resent: number }
  /** `head`: of all tokens of the time that is read again. */
  | { readonly kind: 'fallback'; readonly head: string }
  /** Loss that was announced: of everything between the two, of everything from the first on, or of one event. */
  | { readonly kind: 'historyLost'; readonly from: string; readonly to: string | undefined }
  | { readonly kind: 'skipped'; readonly id: string }
  | { readonly kind: 'peaks'; readonly events: number; readonly bytes: number }
  | { readonly kind: 'state'; readonly to: string; readonly reasons: readonly string[] }
  | { readonly kind: 'stopped'; readonly drained: boolean }
  | { readonly kind: 'failed'; readonly text: string; readonly access: boolean; readonly started: boolean }
  /** Written by the parent once the process is gone. `wanted`: by a fault. */
  | { readonly kind: 'ended'; readonly wanted: boolean; readonly how: string; readonly tookMs: number }
)

type WithoutTime<Line> = Line extends unknown ? Omit<Line, 'at'> : never
/** A line before it has its time. */
export type LogEntry = WithoutTime<LogLine>

export interface History {
  readonly truth: readonly TrueChange[]
  readonly acknowledged: readonly Acknowledged[]
  /** In the order in which they lay there. */
  readonly arrivals: readonly Arrival[]
  readonly letters: readonly Arrival[]
  readonly log: readonly LogLine[]
  readonly limits: { readonly maxInFlight: number; readonly maxInFlightBytes: number; readonly stopMs: number }
  /** From the last healing until everything was confirmed and the pipeline said that it runs. */
  readonly recovery: {
    readonly ms: number | undefined
    readonly limitMs: number
    readonly backlog: number
    readonly state?: string
  }
  /** Everything that the process has printed. */
  readonly output: string
  /** Must not show in it. */
  readonly secrets: readonly string[]
}
