import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type DeleteAfterConfirmOptions, deleteAfterConfirm } from '../../../src/outbox/delete-after-confirm.js'
import type { DeleteFailure } from '../../../src/outbox/delete-in-batches.js'
import { deferred } from '../../../src/waiting.js'
import { deleteEvent } from '../message/events.js'
import { inserted } from './support.js'

function world(options: DeleteAfterConfirmOptions = {}) {
  const pipeline = new EventEmitter()
  const deleted: unknown[][] = []
  const failures: DeleteFailure[] = []
  const remove = vi.fn(async (ids: readonly unknown[]) => {
    deleted.push([...ids])
  })
  const collection = {
    dbName: 'shop',
    collectionName: 'outbox',
    deleteMany: ({ _id }: { _id: { $in: readonly unknown[] } }) => remove(_id.$in),
  }
  const onError = (failure: DeleteFailure): void => {
    failures.push(failure)
  }
  const cleaner = deleteAfterConfirm(pipeline, collection, { intervalMs: 1000, onError, ...options })
  const confirm = (event: unknown): boolean => pipeline.emit('published', { event })
  const confirmAll = (...ids: number[]): void => {
    for (const _id of ids) confirm(inserted({ _id }))
  }
  return { pipeline, cleaner, deleted, failures, remove, confirm, confirmAll }
}

describe('deleteAfterConfirm', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('deletes confirmed entries together after a while', async () => {
    const { confirmAll, deleted } = world()
    confirmAll(1, 2)
    await vi.advanceTimersByTimeAsync(999)
    expect(deleted).toEqual([])
    confirmAll(3)
    await vi.advanceTimersByTimeAsync(1)
    expect(deleted).toEqual([[1, 2, 3]])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('deletes at once when a batch is full, one batch at a time', async () => {
    const { confirmAll, deleted, remove } = world({ batchSize: 2 })
    const first = deferred<void>()
    remove.mockImplementationOnce(() => first.promise)
    confirmAll(1, 2, 3, 4, 5)
    await vi.advanceTimersByTimeAsync(0)
    expect(remove.mock.calls).toEqual([[[1, 2]]])
    first.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(deleted).toEqual([[3, 4]])
    await vi.advanceTimersByTimeAsync(1000)
    expect(deleted).toEqual([[3, 4], [5]])
  })

  it('deletes nothing but inserted entries of this outbox', async () => {
    const { confirm, remove } = world()
    confirm({ ...inserted(), ns: { db: 'shop', coll: 'orders' } })
    confirm({ ...inserted(), ns: { db: 'other', coll: 'outbox' } })
    confirm({ ...deleteEvent, ns: { db: 'shop', coll: 'outbox' } })
    confirm({ operationType: 'invalidate' })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(remove).not.toHaveBeenCalled()
  })

  it('tells a failure, and tries again with growing delays until it works', async () => {
    const { confirmAll, deleted, failures, remove } = world({
      retry: { minDelayMs: 100, maxDelayMs: 200 },
      batchSize: 1,
    })
    const error = new Error('not primary')
    remove.mockRejectedValueOnce(error).mockRejectedValueOnce(error)
    confirmAll(1)
    await vi.advanceTimersByTimeAsync(0)
    confirmAll(2)
    expect(remove).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(1000)
    expect(failures).toEqual([
      { error, pending: 1, leftOver: 0 },
      { error, pending: 2, leftOver: 0 },
    ])
    expect(deleted).toEqual([[1], [2]])
  })

  it('deletes what waits when the pipeline ends, and listens no more', async () => {
    const { pipeline, cleaner, confirmAll, deleted } = world({ batchSize: 2 })
    confirmAll(1)
    pipeline.emit('stopped', { drained: true, unconfirmed: 0 })
    await cleaner.stop()
    expect(deleted).toEqual([[1]])
    expect(pipeline.eventNames()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('waits at the end for the delete that is under way, and gives up at the first failure', async () => {
    const { cleaner, confirmAll, failures, remove } = world({ batchSize: 1 })
    const first = deferred<void>()
    remove.mockImplementationOnce(() => first.promise).mockRejectedValueOnce(new Error('closed'))
    confirmAll(1, 2, 3)
    const stopped = cleaner.stop()
    expect(cleaner.stop()).toBe(stopped)
    first.resolve()
    await stopped
    expect(remove.mock.calls).toEqual([[[1]], [[2]]])
    expect(failures).toMatchObject([{ pending: 0, leftOver: 2 }])
  })

  it('remembers a bounded number of entries while deletes fail', async () => {
    const { cleaner, confirmAll, failures, remove } = world({ intervalMs: 86_400_000, batchSize: 10_000 })
    remove.mockRejectedValue(new Error('down'))
    for (let id = 0; id < 100_005; id++) confirmAll(id)
    await vi.advanceTimersByTimeAsync(0)
    expect(failures[0]).toMatchObject({ pending: 100_000, leftOver: 5 })
    await cleaner.stop()
  })

  it('refuses at once what it does not know', () => {
    for (const options of [
      { batchSize: 0 },
      { intervalMs: 0 },
      { onError: 1 },
      { retry: { minDelayMs: 0 } },
      { ttl: 1 },
    ]) {
      expect(() => world(options as never)).toThrow(/^(Expected|Unknown)/)
    }
    expect(() => deleteAfterConfirm({} as never, {} as never)).toThrow('Expected `pipeline` to be')
    expect(() => deleteAfterConfirm(new EventEmitter(), {} as never)).toThrow('Expected `collection` to be')
  })
})
