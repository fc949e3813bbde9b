import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CdcError, TransformError } from '../../../src/errors.js'
import type { PipelineEvents } from '../../../src/events.js'
import { collect, startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a transform', () => {
  type Failed = Parameters<PipelineEvents['failedEvent']>[0]

  const failing = async (transform: () => unknown, options = {}): Promise<Failed> => {
    const made = await startedBench({ transform, onFailedEvent: 'skip', ...options })
    const failed = collect(made.pipeline, 'failedEvent')
    await made.give(record(1))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(made.sink.sent).toEqual([])
    return failed[0]!
  }

  test.each([
    ['undefined', () => undefined],
    ['a promise of undefined', async () => undefined],
    ['undefined inside an array', () => ['a', undefined]],
  ])('that returns %s fails the event', async (_, transform) => {
    expect(await failing(transform)).toMatchObject({
      stage: 'transform',
      attempts: 1,
      error: { code: 'CDC_TRANSFORM_UNDEFINED' },
    })
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('that %s is not called again, and the error is the cause', async (_, transform) => {
    const called = vi.fn(transform)
    const { error, attempts } = await failing(called)
    expect(error).toBeInstanceOf(TransformError)
    expect(error).toMatchObject({ code: 'CDC_TRANSFORM_FAILED', cause: { message: 'no' } })
    expect(attempts).toBe(1)
    expect(called).toHaveBeenCalledTimes(1)
  })

  test('keeps the code of an error that has one', async () => {
    const error = new CdcError('CDC_ENCODE_FAILED', 'a function')
    expect(
      (
        await failing(() => {
          throw error
        })
      ).error,
    ).toBe(error)
  })

  test('is called `maxAttempts` times when its error says `retryable: true`', async () => {
    const transform = vi.fn(async () => {
      throw Object.assign(new Error('away'), { retryable: true })
    })
    expect((await failing(transform, { maxAttempts: 4 })).attempts).toBe(4)
    expect(transform).toHaveBeenCalledTimes(4)
  })

  test('fails after `transformTimeoutMs`, its signal is aborted, and what it returns later is discarded', async () => {
    let resolve: (value: string) => void = () => {}
    let signal: AbortSignal | undefined
    const { give, pipeline, sink } = await startedBench({
      transform: (_, context) => {
        signal = context?.signal
        return new Promise<string>(late => {
          resolve = late
        })
      },
      transformTimeoutMs: 50,
      onFailedEvent: 'skip',
    })
    const failed = collect(pipeline, 'failedEvent')
    await give(record(1))
    await vi.advanceTimersByTimeAsync(49)
    expect(failed).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(failed[0]?.error).toMatchObject({ code: 'CDC_TRANSFORM_TIMEOUT' })
    expect(signal?.aborted).toBe(true)
    resolve('late')
    await settle()
    expect(sink.sent).toEqual([])
  })

  test('by default may take 30 seconds', async () => {
    const { give, pipeline } = await startedBench({
      transform: () => new Promise<never>(() => {}),
      onFailedEvent: 'skip',
    })
    await give(record(1))
    await vi.advanceTimersByTimeAsync(29_999)
    expect(pipeline.stats().failed).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(pipeline.stats().failed).toBe(1)
  })

  test('drops each null of an array, as a chain of steps does', async () => {
    const { give, sink } = await startedBench({ transform: () => [null, 'a', null, 'b'] as never })
    await give(record(1))
    expect(sink.sent.map(({ message }) => message)).toEqual(['a', 'b'])
  })

  test('is told the event and its id', async () => {
    const transform = vi.fn((_event: unknown, _context?: unknown) => null)
    const { give } = await startedBench({ transform })
    await give(record(1))
    expect(transform).toHaveBeenCalledWith(
      { n: 1, key: 'k1' },
      expect.objectContaining({ event: { n: 1, key: 'k1' }, id: 'id1' }),
    )
  })

  test.each([
    [undefined, 16],
    [3, 3],
  ])('with `transformConcurrency: %s` runs %s times at once, if asynchronous', async (limit, expected) => {
    const running: (() => void)[] = []
    const transform = (): Promise<null> => new Promise(resolve => running.push(() => resolve(null)))
    const { give, pipeline } = await startedBench(
      limit === undefined ? { transform } : { transform, transformConcurrency: limit },
    )
    await give(...Array.from({ length: 40 }, (_, i) => record(i)))
    expect(running).toHaveLength(expected)
    running[0]!()
    await settle()
    expect(running).toHaveLength(expected + 1)
    for (let i = 1; i < 40; i += 1) {
      running[i]!()
      await settle()
    }
    expect(pipeline.stats().filtered).toBe(40)
  })
})
