import { emitSafely } from '../events.js'
import { type BackOffOptions, backOffMs } from '../retry.js'

/** A delete that failed. */
export interface DeleteFailure {
  readonly error: unknown
  /** Entries that wait for the next attempt. */
  readonly pending: number
  /**
   * Entries that were given up so far: more than 100,000 waited, or the pipeline has ended. They stay in the outbox and
   * are not published again.
   */
  readonly leftOver: number
}

/** How entries are deleted. */
export interface BatchOptions {
  readonly remove: (ids: readonly unknown[]) => Promise<unknown>
  readonly batchSize: number
  readonly intervalMs: number
  readonly backOff: BackOffOptions
  readonly onError: (failure: DeleteFailure) => void
}

/** Collects ids and deletes them. */
export interface Batches {
  add(id: unknown): void
  /** Deletes what waits, up to the first failure, and takes nothing more. Never rejects. */
  end(): Promise<void>
}

/** Ids are small, but while MongoDB refuses deletes they must not fill the memory. */
const MAX_PENDING = 100_000

/** One delete at a time: when a batch is full or has waited long enough; after a failure with growing delays. */
export function deleteInBatches({ remove, batchSize, intervalMs, backOff, onError }: BatchOptions): Batches {
  const pending: unknown[] = []
  let leftOver = 0
  let failures = 0
  let deleting: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let ending: Promise<void> | undefined

  async function deleteBatch(): Promise<void> {
    const ids = pending.slice(0, batchSize)
    try {
      await remove(ids)
      pending.splice(0, ids.length)
      failures = 0
    } catch (error) {
      failures += 1
      if (ending) leftOver += pending.splice(0).length
      emitSafely((_, failure) => onError(failure), 'error', { error, pending: pending.length, leftOver })
    }
  }

  function run(): void {
    clearTimeout(timer)
    timer = undefined
    deleting = deleteBatch().finally(() => {
      deleting = undefined
      plan()
    })
  }

  function plan(): void {
    if (ending || deleting || pending.length === 0) return
    if (failures === 0 && pending.length >= batchSize) run()
    else timer ??= setTimeout(run, failures === 0 ? intervalMs : backOffMs(failures, Math.random, backOff)).unref()
  }

  async function finish(): Promise<void> {
    clearTimeout(timer)
    await deleting
    while (pending.length > 0) await deleteBatch()
  }

  return {
    add(id) {
      if (ending || pending.length >= MAX_PENDING) leftOver += 1
      else pending.push(id)
      plan()
    },
    end() {
      ending ??= Promise.resolve().then(finish)
      return ending
    },
  }
}
