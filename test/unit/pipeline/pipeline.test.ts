import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('back-pressure', () => {
  test.each([
    [undefined, 1000],
    [7, 7],
  ])('with `maxInFlight: %s` at most %s events are in flight and the next batch waits', async (limit, expected) => {
    const { pipeline, source, sink, give } = await startedBench(limit === undefined ? {} : { maxInFlight: limit })
    await give(...Array.from({ length: 2500 }, (_, i) => record(i)))
    const { pulls } = source
    await give(record(9999))
    expect(sink.sent).toHaveLength(expected)
    expect(source.pulls).toBe(pulls)
    for (let i = 0; i < 2501; i += 1) await sink.sent[i]!.ack()
    expect(pipeline.stats()).toMatchObject({ published: 2501, peakInFlight: expected, inFlight: 0 })
  })

  test.each([
    [undefined, 16],
    [3 * 2 ** 20, 3],
  ])('with `maxInFlightBytes: %s` at most %s events of 1 MiB are in flight', async (limit, expected) => {
    const { sink, give } = await startedBench(limit === undefined ? {} : { maxInFlightBytes: limit })
    await give(...Array.from({ length: 30 }, (_, i) => record(i, `k${i}`, 2 ** 20)))
    expect(sink.sent).toHaveLength(expected)
  })

  test('the event loop turns while a large batch is taken in, so that sockets are served meanwhile', async () => {
    const { source, sink } = await startedBench({}, { auto: true })
    source.give(Array.from({ length: 640 }, (_, i) => record(i)))
    await settle(0)
    expect(sink.sent.length).toBeGreaterThan(0)
    expect(sink.sent.length).toBeLessThanOrEqual(64)
    await settle(11)
    expect(sink.sent).toHaveLength(640)
  })

  test('nothing is read while the sink is not well, and the pipeline says why', async () => {
    const { pipeline, sink, give } = await startedBench()
    sink.become({ ok: false, reason: 'blocked', since: 1 })
    await give(record(1))
    expect(sink.sent).toEqual([])
    expect(pipeline.health()).toMatchObject({ state: 'degraded', reasons: ['blocked'], sink: { ok: false } })
    sink.become({ ok: true, since: 2 })
    await settle()
    expect(sink.messages).toEqual([1])
    expect(pipeline.state).toBe('running')
  })

  test('a sink that does not tell by itself is asked', async () => {
    let ok = false
    const publish = vi.fn(async () => {})
    const sink = { publish, close: async () => {}, health: () => ({ ok, since: 0 }) }
    const { pipeline, give } = await startedBench({ sink })
    await give(record(1))
    expect(publish).not.toHaveBeenCalled()
    expect(pipeline.health().reasons).toEqual(['sink not ok'])
    ok = true
    await vi.advanceTimersByTimeAsync(250)
    expect(publish).toHaveBeenCalledTimes(1)
    expect(pipeline.state).toBe('running')
  })
})
