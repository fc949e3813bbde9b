import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { CdcError } from '../../../src/errors.js'
import { collect, startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('ordering', () => {
  test('`pipelined` lets transforms overlap and publishes in stream order', async () => {
    const running = new Map<number, (value: string) => void>()
    const { give, sink } = await startedBench({
      ordering: 'pipelined',
      transform: event => new Promise<string>(resolve => running.set(event.n, resolve)),
    })
    await give(record(1, 'a'), record(2, 'a'), record(3, 'b'))
    running.get(3)!('third')
    running.get(2)!('second')
    await settle()
    expect(sink.messages).toEqual([])
    running.get(1)!('first')
    await settle()
    expect(sink.messages).toEqual(['first', 'second', 'third'])
  })

  test('`pipelined` publishes nothing that follows an event that failed for good', async () => {
    const running = new Map<number, (value: string) => void>()
    const { give, sink, pipeline } = await startedBench({
      ordering: 'pipelined',
      transform: event => new Promise<string>(resolve => running.set(event.n, resolve)),
    })
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_EVENT_FAILED' })
    await give(record(1, 'a'), record(2, 'a'), record(3, 'a'))
    running.get(2)!('second')
    running.get(1)!(undefined as unknown as string)
    await settle()
    running.get(3)!('third')
    await vi.advanceTimersByTimeAsync(0) // it is over at once: nothing that is left can go on
    await done
    expect(sink.messages).toEqual([])
    expect(pipeline.stats().inFlight).toBe(3)
  })

  test('a function that throws, or returns no string, fails the event when everything before it is settled', async () => {
    const ordering = (event: { n: number }): string => {
      if (event.n === 2) throw new Error('no aggregate')
      return event.n === 3 ? (3 as unknown as string) : 'x'
    }
    const { give, sink, pipeline } = await startedBench({ ordering, onFailedEvent: 'skip' })
    const failed = collect(pipeline, 'failedEvent')
    await give(record(1), record(2), record(3), record(4))
    expect(failed).toEqual([])
    await sink.sent[0]!.ack()
    expect(failed.map(event => (event.error as CdcError).code)).toEqual([
      'CDC_TRANSFORM_FAILED',
      'CDC_TRANSFORM_FAILED',
    ])
    expect(sink.messages).toEqual([1, 4])
  })
})
