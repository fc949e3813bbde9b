import type { CheckpointError } from '../errors.js'
import { type BackOffOptions, retry } from '../retry.js'
import type { Checkpoint, CheckpointStore, Position } from '../types.js'
import { withDeadline } from '../waiting.js'
import type { InFlight } from './in-flight.js'
import { assertOwn, isFenced, passing } from './store-errors.js'

/** When positions are saved. */
export interface CheckpointerOptions {
  readonly name: string
  readonly checkpointStore: CheckpointStore
  readonly checkpointIntervalMs: number
  readonly idleCheckpointIntervalMs: number
  readonly maxUnsavedEvents: number
  readonly maxUnsavedMs: number
  readonly retry: BackOffOptions
  readonly random: () => number
  /** Of the lease under which positions are saved. */
  readonly epoch: number | undefined
}

/** What the checkpointer tells. */
export interface CheckpointerHooks {
  readonly saved: (checkpoint: Checkpoint) => void
  readonly failed: (failure: { error: unknown; attempt: number; delayMs: number }) => void
  /** A save was refused as another instance has the lease; nothing more is saved. */
  readonly fenced: (error: CheckpointError) => void
}

/** Events have been away for so long that it is worth saving before the interval is over, in milliseconds. */
const IDLE_AFTER_MS = 500

/**
 * Saves the settled position: one save at a time, in order, only newer positions, never an unsettled one. Each interval
 * while events flow, soon after the last of them, on close; for heartbeats alone rarely, since a save in MongoDB makes
 * the oplog grow, which makes the next heartbeat. A failed save is tried again for ever, with the newest position.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions
  readonly #span: InFlight
  readonly #hooks: CheckpointerHooks
  readonly #closing = new AbortController()
  #saved: Checkpoint | undefined
  #error: unknown
  #savedEvents = 0
  /** Whether events, not only heartbeats, moved the position since the last save. */
  #eventful = false
  #lastEventAt = 0
  #lastSaveAt = 0
  #saving: Promise<void> | undefined
  #savingSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #dropped = false

  constructor(options: CheckpointerOptions, span: InFlight, hooks: CheckpointerHooks) {
    this.#options = options
    this.#span = span
    this.#hooks = hooks
  }

  /** The checkpoint that is known to be in the store. */
  get saved(): Checkpoint | undefined {
    return this.#saved
  }

  /** What the last load or save failed with, until one succeeds. */
  get error(): unknown {
    return this.#error
  }

  /** Settled events that would come again after a crash, beside those of the span. */
  get unsavedEvents(): number {
    return this.#span.settledEvents - this.#savedEvents
  }

  /** Reads the stored position; an error of the store's transport is tried again until the signal is aborted. */
  async load(signal: AbortSignal): Promise<Position | undefined> {
    const { checkpointStore, name } = this.#options
    const found = await this.#retry(signal, passing, () => checkpointStore.load(name))
    this.#lastSaveAt = performance.now()
    if (found === undefined || found === null) return undefined
    assertOwn(found, name)
    this.#saved = found
    return found.position
  }

  /** Saves where the first run begins, before anything is read. */
  async saveFirst(position: Position, signal: AbortSignal): Promise<void> {
    await this.#retry(signal, passing, () => this.#write(position))
    this.#span.heartbeat(position)
  }

  /** The settled position may have moved, by an event or by a heartbeat. */
  moved(byEvent: boolean): void {
    if (byEvent) {
      this.#lastEventAt = performance.now()
      if (!this.#eventful) this.#disarm() // it may be armed for a heartbeat, which is late
      this.#eventful = true
    }
    this.#schedule()
  }

  /** Whether so much is unsaved that nothing more should be read. */
  mustPause(): boolean {
    const { maxUnsavedEvents, maxUnsavedMs } = this.#options
    if (this.unsavedEvents >= maxUnsavedEvents) return true
    return this.#savingSince !== undefined && performance.now() - this.#savingSince >= maxUnsavedMs
  }

  /** Saves what is settled now, however long the store is away; ends early on `close()`. Never rejects. */
  async flush(): Promise<void> {
    while (this.#saving) await this.#saving
    if (this.#closing.signal.aborted || !this.#isNew()) return
    this.#begin()
    await this.#saving
  }

  /** Saves what is settled, within `ms` milliseconds; saves nothing more afterwards. Never rejects. */
  async close(ms: number): Promise<void> {
    this.#closing.abort() // wakes a back-off; a save under way is waited for, since saves come one at a time
    this.#disarm()
    const deadline = new AbortController()
    const last = async (): Promise<void> => {
      await this.#saving
      if (!deadline.signal.aborted) await this.#save(deadline.signal)
    }
    await withDeadline(last(), ms, () => deadline.abort())
  }

  /** Saves nothing more, and tells nothing of a save that is under way. */
  drop(): void {
    this.#dropped = true
    this.#closing.abort()
    this.#disarm()
  }

  #schedule(): void {
    if (this.#saving || this.#closing.signal.aborted || !this.#isNew()) return
    // Half of what may be unsaved: with a quick store the limit is never reached, however fast events flow.
    if (this.unsavedEvents * 2 >= this.#options.maxUnsavedEvents) this.#begin()
    else if (!this.#timer) this.#arm()
  }

  #arm(): void {
    const wait = this.#dueAt() - performance.now()
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        if (performance.now() >= this.#dueAt()) this.#begin()
        else this.#schedule()
      },
      Math.max(1, this.#eventful ? Math.min(wait, IDLE_AFTER_MS) : wait),
    )
  }

  #dueAt(): number {
    const { checkpointIntervalMs, idleCheckpointIntervalMs } = this.#options
    if (!this.#eventful) return this.#lastSaveAt + idleCheckpointIntervalMs
    const due = this.#lastSaveAt + checkpointIntervalMs
    return this.#span.count === 0 ? Math.min(due, this.#lastEventAt + IDLE_AFTER_MS) : due
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #begin(): void {
    this.#disarm()
    this.#saving = this.#save(this.#closing.signal).then(() => {
      this.#saving = undefined
      this.#schedule()
    })
  }

  /** Never rejects: it ends when the position is saved or the signal is aborted. */
  async #save(signal: AbortSignal): Promise<void> {
    if (!this.#isNew() || this.#dropped) return
    this.#savingSince ??= performance.now()
    try {
      await this.#retry(
        signal,
        error => !isFenced(error),
        () => this.#write(this.#span.settledPosition),
      )
    } catch {
      // Aborted or fenced: every failure before has been told.
    }
  }

  #isNew(): boolean {
    return this.#span.settledPosition !== undefined && this.#span.settledPosition !== this.#saved?.position
  }

  async #write(position: Position | undefined): Promise<void> {
    if (!position) return
    const { settledEvents } = this.#span
    const { name, epoch } = this.#options
    const checkpoint: Checkpoint = { name, position, savedAt: new Date(), ...(epoch !== undefined && { epoch }) }
    const eventful = this.#eventful
    this.#eventful = false
    this.#lastSaveAt = performance.now()
    try {
      await this.#options.checkpointStore.save(checkpoint)
    } catch (error) {
      this.#eventful ||= eventful
      if (isFenced(error)) this.#fenced(error)
      throw error
    }
    if (this.#dropped) return
    this.#saved = checkpoint
    this.#savedEvents = settledEvents
    this.#savingSince = undefined // before it is told: the telling wakes intake, which asks `mustPause` again
    this.#hooks.saved(checkpoint)
  }

  #fenced(error: CheckpointError): void {
    if (this.#dropped) return
    this.#error = error
    this.drop()
    this.#hooks.fenced(error)
  }

  #retry<T>(signal: AbortSignal, shouldRetry: (error: unknown) => boolean, call: () => Promise<T>): Promise<T> {
    const { retry: backOff, random } = this.#options
    const onRetry = (failure: { error: unknown; attempt: number; delayMs: number }): void => {
      if (this.#dropped) return
      this.#error = failure.error
      this.#hooks.failed(failure)
    }
    const succeed = async (): Promise<T> => {
      const result = await call()
      this.#error = undefined
      return result
    }
    return retry(succeed, { ...backOff, random, signal, shouldRetry, onRetry })
  }
}
