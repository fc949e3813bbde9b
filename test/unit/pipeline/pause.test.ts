import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SourceError } from '../../../src/errors.js'
import { bench, collect, startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { position, record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('pause', () => {
  test('finishes and saves everything that was read, and leaves the sink open', async () => {
    const { pipeline, give, sink, store, source } = await startedBench()
    await give(record(1, 'a'), record(2, 'a'))
    const pause = pipeline.pause()
    await settle()
    expect(source.opened?.signal.aborted).toBe(true)
    await sink.sent[0]!.ack()
    expect(pipeline.state).toBe('running')
    await sink.sent[1]!.ack()
    await pause
    expect(pipeline.state).toBe('paused')
    expect(store.saved.at(-1)).toBe(2)
    expect([source.closed, store.closed, sink.closed]).toEqual([0, 0, undefined])
    expect(pipeline.health()).toMatchObject({ state: 'paused', live: true, ready: false })
  })

  test('waits for a store that is away', async () => {
    const { pipeline, give, store } = await startedBench({}, { auto: true })
    store.error = new Error('away')
    await give(record(1))
    let paused = false
    void pipeline.pause().then(() => {
      paused = true
    })
    await vi.advanceTimersByTimeAsync(120_000)
    expect(paused).toBe(false)
    store.error = undefined
    await vi.advanceTimersByTimeAsync(60_000)
    expect([paused, pipeline.state, store.saved]).toEqual([true, 'paused', [1]])
  })

  test('is refused before a start and after an end', async () => {
    const { pipeline } = bench()
    await expect(pipeline.pause()).rejects.toMatchObject({ code: 'CDC_STATE_INVALID' })
    await expect(pipeline.resume()).rejects.toMatchObject({ code: 'CDC_STATE_INVALID' })
    await pipeline.stop()
    await expect(pipeline.pause()).rejects.toMatchObject({ code: 'CDC_STATE_INVALID' })
  })

  test('waits for a start under way', async () => {
    const { pipeline, source } = bench()
    const start = pipeline.start()
    const pause = pipeline.pause()
    source.give([])
    await start
    await pause
    expect(pipeline.state).toBe('paused')
  })

  test('and resume give every caller the same promise, as long as nobody wants the opposite', async () => {
    const { pipeline, source } = await startedBench()
    const pause = pipeline.pause()
    expect(pipeline.pause()).toBe(pause)
    const resume = pipeline.resume()
    expect(pipeline.resume()).toBe(resume)
    expect(pipeline.pause()).not.toBe(pause)
    await pause
    source.give([])
    await pipeline.pause()
    expect(pipeline.state).toBe('paused')
  })

  test('is ended by a stop, which has the last word', async () => {
    const { pipeline, give, sink } = await startedBench()
    await give(record(1))
    const pause = expect(pipeline.pause()).rejects.toMatchObject({ code: 'CDC_START_ABORTED' })
    await settle()
    const stop = pipeline.stop()
    await pause
    await sink.sent[0]!.ack()
    expect(await stop).toEqual({ drained: true, unconfirmed: 0 })
    expect(pipeline.state).toBe('stopped')
  })

  test('rejects with the error of an event that fails meanwhile', async () => {
    const { pipeline, give, sink } = await startedBench()
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_EVENT_FAILED' })
    await give(record(1))
    const pause = expect(pipeline.pause()).rejects.toMatchObject({ code: 'CDC_EVENT_FAILED' })
    await settle()
    await sink.sent[0]!.refuse({ retryable: false })
    await pause
    await done
  })
})

describe('resume', () => {
  test('reads on behind the last settled event', async () => {
    const { pipeline, give, source, sink } = await startedBench({}, { auto: true })
    await give(record(1), record(2))
    await pipeline.pause()
    source.give([record(3)])
    await settle()
    expect(sink.messages).toEqual([1, 2])
    const states = collect(pipeline, 'state')
    await pipeline.resume()
    expect(source.opened?.after).toEqual(position(2))
    await settle(2)
    expect(sink.messages).toEqual([1, 2, 3])
    expect(states.map(({ to }) => to)).toEqual(['running'])
  })

  test('before anything was settled begins where the start did', async () => {
    const { pipeline, source, store } = bench()
    store.stored = { name: 'bench', position: position(7), savedAt: new Date() }
    source.give([])
    await pipeline.start()
    await pipeline.pause()
    source.give([])
    await pipeline.resume()
    expect(source.opened?.after).toEqual(position(7))
  })

  test('rejects with the error of the source, and the pipeline fails', async () => {
    const { pipeline, source } = await startedBench()
    const error = new SourceError('CDC_HISTORY_LOST', 'gone')
    const done = expect(pipeline.done).rejects.toBe(error)
    const stopped = collect(pipeline, 'stopped')
    await pipeline.pause()
    source.give(error)
    await expect(pipeline.resume()).rejects.toBe(error)
    await done
    expect(stopped).toMatchObject([{ reason: 'source' }])
  })

  test('is ended by a stop', async () => {
    const { pipeline } = await startedBench()
    await pipeline.pause()
    const resume = expect(pipeline.resume()).rejects.toMatchObject({ code: 'CDC_START_ABORTED' })
    await settle()
    await pipeline.stop()
    await resume
    expect(pipeline.state).toBe('stopped')
  })
})

describe('a paused pipeline', () => {
  test('stops at once, with nothing left', async () => {
    const { pipeline, give, store } = await startedBench({}, { auto: true })
    await give(record(1))
    await pipeline.pause()
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    expect(store.saved).toEqual([1])
    await pipeline.done
  })

  test('stays paused whatever its parts say about themselves', async () => {
    const { pipeline, sink, source } = await startedBench()
    await pipeline.pause()
    sink.become({ ok: false, since: 0, reason: 'reconnecting' })
    expect(pipeline.state).toBe('paused')
    source.give([])
    await pipeline.resume()
    expect(pipeline.health()).toMatchObject({ state: 'degraded', reasons: ['reconnecting'] })
  })
})
