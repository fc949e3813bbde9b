import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CheckpointError } from '../../../src/errors.js'
import type { Checkpoint } from '../../../src/types.js'
import { bench, collect, startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { heartbeat, position, record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('saving positions', () => {
  test('happens once per `checkpointIntervalMs` while events flow, by default each second', async () => {
    for (const [options, expected] of [
      [{}, 4],
      [{ checkpointIntervalMs: 2000 }, 2],
    ] as const) {
      const { give, store } = await startedBench(options, { auto: true })
      for (let n = 1; n <= 45; n += 1) {
        await give(record(n))
        await vi.advanceTimersByTimeAsync(100)
      }
      expect(store.saves).toHaveLength(expected)
    }
  })

  test('happens soon after the last event, however long the interval', async () => {
    const { give, store } = await startedBench({ checkpointIntervalMs: 60_000 }, { auto: true })
    await give(record(1), record(2))
    await vi.advanceTimersByTimeAsync(1100)
    expect(store.saved).toEqual([2])
  })

  test.each([
    [undefined, 3],
    [3000, 10],
  ])('with `idleCheckpointIntervalMs: %s` heartbeats alone are saved %s times in 30 s', async (ms, expected) => {
    const { give, store } = await startedBench(ms === undefined ? {} : { idleCheckpointIntervalMs: ms })
    for (let n = 1; n <= 310; n += 1) {
      await give(heartbeat(n))
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(store.saves).toHaveLength(expected)
  })

  test('an event after heartbeats is not kept waiting for the interval of heartbeats', async () => {
    const { give, store } = await startedBench({}, { auto: true })
    await give(heartbeat(1))
    await vi.advanceTimersByTimeAsync(2000)
    await give(record(2))
    await vi.advanceTimersByTimeAsync(1000)
    expect(store.saved).toEqual([2])
  })

  test('never saves beyond an unsettled event, nor the same position twice', async () => {
    const { give, store, sink } = await startedBench()
    await give(record(1, 'a'), record(2, 'b'), record(3, 'c'), heartbeat(4))
    await sink.sent[0]!.ack()
    await sink.sent[2]!.ack()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(store.saved).toEqual([1])
    await sink.sent[1]!.ack()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(store.saved).toEqual([1, 4])
  })

  test('one save at a time; the next one saves the newest position', async () => {
    const { give, store } = await startedBench({}, { auto: true })
    let release = (): void => {}
    const save = vi.spyOn(store, 'save').mockImplementation(
      () =>
        new Promise(resolve => {
          release = resolve
        }),
    )
    for (let n = 1; n <= 50; n += 1) {
      await give(record(n))
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(save).toHaveBeenCalledTimes(1)
    release()
    await vi.advanceTimersByTimeAsync(1000)
    expect(save).toHaveBeenCalledTimes(2)
    expect(save.mock.calls[1]![0]).toMatchObject({ name: 'bench', position: position(50), savedAt: expect.any(Date) })
  })

  test('begins early when half of `maxUnsavedEvents` is unsaved', async () => {
    const { give, store } = await startedBench({ maxUnsavedEvents: 10 }, { auto: true })
    await give(...Array.from({ length: 5 }, (_, i) => record(i + 1)))
    expect(store.saved).toEqual([5])
  })
})

describe('a store that fails', () => {
  test('is tried again for ever with the newest position, and is told', async () => {
    const { give, store, pipeline } = await startedBench({}, { auto: true })
    const failed = collect(pipeline, 'checkpointFailed')
    const saved = collect(pipeline, 'checkpoint')
    store.error = new Error('disk full')
    await give(record(1))
    await vi.advanceTimersByTimeAsync(50_000)
    expect(failed.length).toBeGreaterThan(3)
    expect(failed[0]).toMatchObject({ error: { message: 'disk full' }, attempt: 1, delayMs: expect.any(Number) })
    expect(pipeline.health()).toMatchObject({ state: 'degraded', reasons: ['checkpoint'] })
    await give(record(2))
    store.error = undefined
    await vi.advanceTimersByTimeAsync(31_000)
    expect(store.saved).toEqual([2])
    expect(saved).toEqual([{ position: position(2), savedAt: expect.any(Date) }])
    expect(pipeline.state).toBe('running')
  })

  test('pauses intake once `maxUnsavedEvents` are unsaved, until a save succeeds', async () => {
    const { give, store, pipeline, sink } = await startedBench({ maxUnsavedEvents: 10 }, { auto: true })
    store.error = new Error('away')
    for (let n = 1; n <= 30; n += 1) await give(record(n))
    expect(sink.messages).toHaveLength(10)
    expect(pipeline.stats()).toMatchObject({ unsavedEvents: 10, state: 'degraded' })
    store.error = undefined
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sink.messages).toHaveLength(30)
    expect(pipeline.state).toBe('running')
  })

  test('by default lets 10,000 events go unsaved', async () => {
    const { give, store, pipeline } = await startedBench(
      { transform: event => `${event.n}`, maxInFlight: 20_000 },
      { auto: true },
    )
    store.error = new Error('away')
    for (let n = 0; n < 12_000; n += 1000) await give(...Array.from({ length: 1000 }, (_, i) => record(n + i)))
    expect(pipeline.stats().unsavedEvents).toBe(10_000)
  })

  test.each([
    [undefined, 60_000],
    [5000, 5000],
  ])('with `maxUnsavedMs: %s` pauses intake when saving fails for %s ms', async (ms, expected) => {
    const { give, store, sink } = await startedBench(ms === undefined ? {} : { maxUnsavedMs: ms }, { auto: true })
    store.error = new Error('away')
    await give(record(1))
    await vi.advanceTimersByTimeAsync(1000) // the first attempt
    await vi.advanceTimersByTimeAsync(expected - 1000)
    await give(record(2))
    expect(sink.messages).toEqual([1, 2])
    await vi.advanceTimersByTimeAsync(1000)
    await give(record(3))
    expect(sink.messages).toEqual([1, 2])
    store.error = undefined
    await vi.advanceTimersByTimeAsync(31_000)
    expect(sink.messages).toEqual([1, 2, 3])
  })
})

describe('loading', () => {
  test('goes on after the stored position', async () => {
    const { pipeline, source, store } = bench()
    store.stored = { name: 'bench', position: position(7), savedAt: new Date() }
    source.give([])
    await pipeline.start()
    expect(source.opened?.after).toEqual(position(7))
    expect(store.calls).toEqual(['load'])
  })

  test('saves the position where the first run starts before anything is opened', async () => {
    const { pipeline, source, sink, store } = bench()
    const order: string[] = []
    const first = { ...position(3), kind: 'time' as const }
    Object.assign(source, { startPosition: async () => first })
    Object.assign(sink, { open: async () => void order.push(`sink opened after ${store.saves.length} save`) })
    source.give([])
    await pipeline.start()
    expect(order).toEqual(['sink opened after 1 save'])
    expect(store.saves).toMatchObject([{ name: 'bench', position: first }])
    expect(source.opened?.after).toBe(first)
  })

  test('excludes the namespace of the store from what is read', async () => {
    const { pipeline, source, store } = bench()
    const namespace = { database: 'cdc', collection: 'checkpoints' }
    Object.assign(store, { namespace })
    source.give([])
    await pipeline.start()
    expect(source.opened?.exclude).toEqual([namespace])
  })

  test('waits through an outage of the store', async () => {
    const { pipeline, source, store } = bench()
    const failed = collect(pipeline, 'checkpointFailed')
    store.error = new Error('connection refused')
    source.give([])
    const start = pipeline.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(pipeline.state).toBe('starting')
    expect(failed.length).toBeGreaterThan(1)
    store.error = undefined
    await vi.advanceTimersByTimeAsync(30_000)
    await start
    expect(pipeline.state).toBe('running')
  })

  test('rejects at once when the record can not be read', async () => {
    const { pipeline, store, source } = bench()
    store.error = new CheckpointError('CDC_CHECKPOINT_CORRUPT', 'bad checksum')
    await expect(pipeline.start()).rejects.toBe(store.error)
    expect(source.opened).toBeUndefined()
    expect([pipeline.state, source.closed, store.closed]).toEqual(['failed', 1, 1])
  })

  test.each([
    ['of another pipeline', { name: 'other', position: position(1), savedAt: new Date() }, 'CDC_CHECKPOINT_FOREIGN'],
    ['without a position', { name: 'bench' }, 'CDC_CHECKPOINT_CORRUPT'],
    ['that is no record', 'null', 'CDC_CHECKPOINT_CORRUPT'],
  ])('refuses a checkpoint %s', async (_, stored, code) => {
    const { pipeline, store } = bench()
    store.stored = stored as unknown as Checkpoint
    await expect(pipeline.start()).rejects.toMatchObject({ name: 'CheckpointError', code })
    expect(store.saves).toEqual([])
  })

  test('a first position that hangs in the store is not saved a second time by a stop', async () => {
    const { pipeline, source, store } = bench()
    Object.assign(source, { startPosition: async () => position(3) })
    const save = vi.spyOn(store, 'save').mockReturnValue(new Promise(() => {}))
    const start = expect(pipeline.start()).rejects.toMatchObject({ code: 'CDC_START_ABORTED' })
    await settle()
    const stop = pipeline.stop()
    await vi.advanceTimersByTimeAsync(5000)
    expect(await stop).toEqual({ drained: true, unconfirmed: 0 })
    await start
    expect(save).toHaveBeenCalledTimes(1)
  })
})
