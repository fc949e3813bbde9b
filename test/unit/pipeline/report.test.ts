import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bench, startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { position, record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('what a pipeline tells', () => {
  test('a listener that throws does not disturb the flow, and surfaces', async () => {
    const uncaught: unknown[] = []
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', error => uncaught.push(error))
    const { pipeline, give, sink } = await startedBench({}, { auto: true })
    pipeline.on('published', () => {
      throw new Error('listener')
    })
    await give(record(1), record(2))
    expect(sink.messages).toEqual([1, 2])
    expect(pipeline.stats()).toMatchObject({ published: 2, inFlight: 0 })
    vi.useRealTimers()
    await settle(2)
    process.removeAllListeners('uncaughtException')
    for (const other of others) process.on('uncaughtException', other)
    expect(uncaught).toHaveLength(2)
    await pipeline.stop()
  })

  test('lag is the age of the oldest unsettled event, and 0 when nothing is unsettled', async () => {
    const { pipeline, give, sink } = await startedBench()
    expect(pipeline.stats().lagMs).toBe(0)
    vi.setSystemTime(11_001)
    await give(record(1))
    expect(pipeline.stats().lagMs).toBe(10_000)
    await sink.sent[0]!.ack()
    expect(pipeline.stats().lagMs).toBe(0)
  })

  test('with nothing unsettled, lag is the time for which source or sink has not been well', async () => {
    const { pipeline, source, sink } = await startedBench()
    vi.setSystemTime(10_000)
    Object.assign(sink, { health: () => ({ ok: true, since: 1000 }) })
    Object.assign(source, { health: () => ({ ok: false, since: 4000 }) })
    expect(pipeline.stats().lagMs).toBe(6000)
    Object.assign(sink, { health: () => ({ ok: false, since: 3000 }) })
    expect(pipeline.stats().lagMs).toBe(7000)
    Object.assign(source, { health: () => ({ ok: true, since: 4000 }) })
    expect(pipeline.stats().lagMs).toBe(7000)
  })

  test('health and stats are plain data, without tokens', async () => {
    const { pipeline, give } = await startedBench({}, { auto: true })
    await give(record(1))
    await pipeline.stop()
    const health = pipeline.health()
    expect(health.checkpoint).toMatchObject({ kind: 'event', clusterTime: position(1).clusterTime, unsavedEvents: 0 })
    expect(structuredClone(health)).toEqual(health)
    expect(structuredClone(pipeline.stats())).toEqual(pipeline.stats())
    expect(JSON.stringify([health, pipeline.stats()])).not.toContain('_data')
  })

  test('inspecting it shows nothing of its parts', async () => {
    const source = Object.assign(bench().source, { uri: 'mongodb://user:secret@host' })
    expect(inspect(bench({ source }).pipeline, { depth: 20, showHidden: true })).not.toContain('secret')
  })
})
