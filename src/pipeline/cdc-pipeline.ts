import type { PipelineEvents, PipelineState } from '../events.js'
import type { PipelineHealth, PipelineStats } from './health.js'

/** How a pipeline ended. */
export interface StopResult {
  /** Whether everything that was read is settled and its position saved; then the next start sends no duplicates. */
  readonly drained: boolean
  /** Events that were read and are not settled: the next start reads them again. */
  readonly unconfirmed: number
}

/** How to stop. */
export interface StopOptions {
  /**
   * Longest time for what is in flight, in milliseconds, from 0; anything else counts as the default. While the
   * pipeline is ending already it shortens the time that is left, and never lengthens it. @default the pipeline's
   * `drainTimeoutMs`
   */
  readonly drainTimeoutMs?: number
}

/**
 * A pipeline from a source through a transform to a sink. One object, one run: make a new one to start again.
 * Made by `createCdcPipeline`.
 */
export interface CdcPipeline extends AsyncDisposable {
  /** Where it stands now; the event `state` tells each change. */
  readonly state: PipelineState
  /**
   * Resolves when the pipeline has stopped, also because its source came to an end; rejects with the cause when it
   * failed. If nobody observes it, nor awaits `run()`, a failure surfaces as an unhandled rejection. A failed start is
   * told by `start()`.
   */
  readonly done: Promise<void>
  /**
   * Resolves when the sink is open, the stream stands and the first position is saved. Waits while a server is away, see
   * `startTimeoutMs`; every caller gets the same promise. Rejects with the error of the part whose configuration or
   * access is wrong, with `CDC_START_TIMEOUT`, with `CDC_START_ABORTED` when `stop()` came first, and with
   * `CDC_STATE_INVALID` when the pipeline is ending or has ended. After a rejection everything is closed.
   */
  start(): Promise<void>
  /**
   * Ends reading, finishes everything that was read, and saves the position; source and sink stay as they are. Resolves
   * in state `paused`; waits for a broker or a store that is away as long as that lasts. A call again gets the same
   * promise. Rejects with `CDC_STATE_INVALID` before `start()` and when the pipeline is ending or has ended, with
   * `CDC_START_ABORTED` when `stop()` came first, with its error when the pipeline failed. Too long a pause, as any:
   * the oplog no longer holds the position.
   */
  pause(): Promise<void>
  /**
   * Reads on behind the last settled event. Resolves when the stream stands, at once where nothing is paused; in any
   * order with `pause()`: the last call wins. Rejects like `pause()`.
   */
  resume(): Promise<void>
  /**
   * Ends reading, finishes everything that was read, saves the position, closes source, sink and store. Takes at most
   * `drainTimeoutMs` and five seconds. Never rejects; every caller gets the same promise.
   */
  stop(options?: StopOptions): Promise<StopResult>
  /** Starts, and resolves when the pipeline has stopped; rejects when it failed. An abort of the signal is a `stop()`. */
  run(options?: { readonly signal?: AbortSignal }): Promise<void>
  /** How it is doing: plain data for a health endpoint, without documents and secrets. */
  health(): PipelineHealth
  /** What it has done: plain data for metrics. */
  stats(): PipelineStats
  /** Calls the listener at each event of this name. One that throws can't disturb the flow: the throw
   * surfaces as an uncaught exception. */
  on<Name extends keyof PipelineEvents>(name: Name, listener: PipelineEvents[Name]): this
  /** Calls the listener at the next event of this name. */
  once<Name extends keyof PipelineEvents>(name: Name, listener: PipelineEvents[Name]): this
  /** Removes a listener. */
  off<Name extends keyof PipelineEvents>(name: Name, listener: PipelineEvents[Name]): this
}
