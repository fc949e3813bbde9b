import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { BrokerError, SourceError } from '../../../src/errors.js'
import { bench, collect, startedBench } from './support/bench.js'
import { settle } from './support/parts.js'
import { barrier, record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const never = (): Promise<never> => new Promise(() => {})

/** Rejections that nobody observed while `act` ran. */
async function unhandled(act: () => Promise<void>): Promise<unknown[]> {
  const seen: unknown[] = []
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', error => seen.push(error))
  vi.useRealTimers()
  await act()
  await settle(10) // nothing in here waits for time or for I/O: a few turns of the event loop are all that can follow
  process.removeAllListeners('unhandledRejection')
  for (const other of others) process.on('unhandledRejection', other)
  return seen
}

describe('start', () => {
  test('resolves when the first batch is there, which may be empty', async () => {
    const { pipeline, source } = bench()
    const states = collect(pipeline, 'state')
    let started = false
    const start = pipeline.start().then(() => {
      started = true
    })
    await settle()
    expect([started, pipeline.state]).toEqual([false, 'starting'])
    source.give([])
    await start
    expect(states.map(({ from, to }) => `${from} ${to}`)).toEqual(['idle starting', 'starting running'])
  })

  test('gives every caller the same promise, also a listener of the state', async () => {
    const { pipeline, source } = bench()
    const seen: Promise<void>[] = []
    pipeline.on('state', () => seen.push(pipeline.start()))
    source.give([])
    const start = pipeline.start()
    expect(pipeline.start()).toBe(start)
    await start
    expect(seen.every(promise => promise === start)).toBe(true)
  })

  test('rejects with the error of the sink, closes everything and does not fail a second time through `done`', async () => {
    const error = new BrokerError('CDC_BROKER_AUTH_FAILED', 'no')
    const seen = await unhandled(async () => {
      const { pipeline, sink, source, store } = bench()
      Object.assign(sink, { open: () => Promise.reject(error) })
      await expect(pipeline.start()).rejects.toBe(error)
      expect([pipeline.state, source.closed, store.closed, sink.closed]).toEqual([
        'failed',
        1,
        1,
        { drainTimeoutMs: 0 },
      ])
      await expect(pipeline.done).rejects.toBe(error)
      await expect(pipeline.start()).rejects.toMatchObject({ code: 'CDC_STATE_INVALID' })
    })
    expect(seen).toEqual([])
  })

  test.each([
    [
      'throws before the first batch',
      (b: ReturnType<typeof bench>) => b.source.give(new SourceError('CDC_HISTORY_LOST', 'gone')),
    ],
    [
      'throws in `open`',
      (b: ReturnType<typeof bench>) =>
        Object.assign(b.source, {
          open: () => {
            throw new SourceError('CDC_HISTORY_LOST', 'gone')
          },
        }),
    ],
  ])('rejects when the source %s', async (_, prepare) => {
    const made = bench()
    prepare(made)
    await expect(made.pipeline.start()).rejects.toMatchObject({ code: 'CDC_HISTORY_LOST' })
    expect(made.pipeline.state).toBe('failed')
  })

  test('gives up after `startTimeoutMs` and tells where it was stuck, and over what', async () => {
    const { pipeline, sink } = bench({ startTimeoutMs: 5000 })
    Object.assign(sink, { open: never })
    const start = expect(pipeline.start()).rejects.toMatchObject({
      code: 'CDC_START_TIMEOUT',
      message: expect.stringContaining(
        'Expected `start()` to finish within 5000 ms, got stuck at opening the sink: connect ECONNREFUSED',
      ),
      cause: { message: 'connect ECONNREFUSED' },
    })
    sink.become({ ok: false, since: 0, reason: 'connecting', error: 'connect ECONNREFUSED' })
    await vi.advanceTimersByTimeAsync(5000)
    await start
  })

  test('tells no cause of a time-out where nobody has said one', async () => {
    const { pipeline, sink } = bench({ startTimeoutMs: 5000 })
    Object.assign(sink, { open: never })
    const start = expect(pipeline.start()).rejects.toSatisfy(
      error => /stuck at opening the sink \(raise/.test(error.message) && error.cause === undefined,
    )
    await vi.advanceTimersByTimeAsync(5000)
    await start
  })

  test('shows in its health why it waits for the checkpoint, and tells it in the end', async () => {
    const { pipeline, store, source } = bench({ startTimeoutMs: 5000 })
    store.error = new Error('disk is away')
    const start = expect(pipeline.start()).rejects.toMatchObject({
      code: 'CDC_START_TIMEOUT',
      message: expect.stringContaining('got stuck at loading the checkpoint: disk is away'),
      cause: store.error,
    })
    await vi.advanceTimersByTimeAsync(1000)
    expect(pipeline.health()).toMatchObject({
      state: 'starting',
      reasons: ['checkpoint'],
      checkpoint: { error: 'disk is away' },
    })
    await vi.advanceTimersByTimeAsync(4000)
    await start
    expect(source.opened).toBeUndefined()
  })

  test('shows no error of the checkpoint any more once a load has succeeded', async () => {
    const { pipeline, store, source } = bench()
    store.error = new Error('disk is away')
    source.give([])
    const start = pipeline.start()
    await vi.advanceTimersByTimeAsync(50)
    expect(pipeline.health().checkpoint.error).toBe('disk is away')
    store.error = undefined
    await vi.advanceTimersByTimeAsync(5000)
    await start
    expect(pipeline.health()).toMatchObject({ reasons: [], checkpoint: { unsavedEvents: 0 } })
    expect(pipeline.health().checkpoint).not.toHaveProperty('error')
  })

  test('is aborted by a stop, which resolves', async () => {
    const { pipeline, sink } = bench()
    Object.assign(sink, { open: never })
    const start = expect(pipeline.start()).rejects.toMatchObject({ code: 'CDC_START_ABORTED' })
    await settle()
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    await start
    await pipeline.done
    expect(pipeline.state).toBe('stopped')
  })

  test('is refused after a stop', async () => {
    const { pipeline } = bench()
    await pipeline.stop()
    await expect(pipeline.start()).rejects.toMatchObject({ code: 'CDC_STATE_INVALID' })
    expect(pipeline.state).toBe('stopped')
  })
})

describe('stop', () => {
  test('admits nothing more, finishes lanes and retries, saves, and closes everything', async () => {
    const { pipeline, give, sink, store, source } = await startedBench({ maxInFlight: 3 })
    const stopped = collect(pipeline, 'stopped')
    await give(record(1, 'a'), record(2, 'a'), record(3, 'b'), record(4, 'c'))
    const stop = pipeline.stop()
    await sink.sent[1]!.refuse({ reason: 'nack' })
    await sink.sent[0]!.ack()
    await vi.advanceTimersByTimeAsync(1000)
    expect(sink.messages).toEqual([1, 3, 2, 3])
    await sink.sent[2]!.ack()
    await sink.sent[3]!.ack()
    expect(await stop).toEqual({ drained: true, unconfirmed: 0 })
    expect(store.saved.at(-1)).toBe(3)
    expect([source.closed, store.closed, sink.closed]).toEqual([1, 1, { drainTimeoutMs: 0 }])
    expect(stopped).toEqual([{ drained: true, unconfirmed: 0, reason: 'stop' }])
    await pipeline.done
  })

  test.each([
    ['the default of 30 s', {}, undefined, 30_000],
    ['the option `drainTimeoutMs`', { drainTimeoutMs: 2000 }, undefined, 2000],
    ['its own `drainTimeoutMs`', {}, { drainTimeoutMs: 50 }, 50],
    ['the default when it gets no number', {}, { drainTimeoutMs: 'x' as unknown as number }, 30_000],
  ])('waits for what is in flight as long as %s says', async (_, options, how, ms) => {
    const { pipeline, give, sink, store } = await startedBench(options)
    await give(record(1), record(2))
    await sink.sent[0]!.ack()
    let result: unknown
    void pipeline.stop(how).then(stopped => {
      result = stopped
    })
    await vi.advanceTimersByTimeAsync(ms - 1)
    expect(result).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(result).toEqual({ drained: false, unconfirmed: 1 })
    expect(store.saved).toEqual([1])
    await sink.sent[1]!.refuse(new Error('closed')) // too late: neither tried again nor skipped
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sink.messages).toEqual([1, 2])
    expect(pipeline.stats()).toMatchObject({ inFlight: 1, failed: 0 })
  })

  test('gives every caller the same promise, also a listener of the state', async () => {
    const { pipeline } = await startedBench()
    const seen: unknown[] = []
    pipeline.on('state', () => seen.push(pipeline.stop()))
    const stop = pipeline.stop()
    expect(pipeline.stop({ drainTimeoutMs: 1 })).toBe(stop)
    await stop
    expect(pipeline.stop()).toBe(stop)
    expect(seen.every(promise => promise === stop)).toBe(true)
  })

  test('ends within five seconds after the drain when store, sink and source hang', async () => {
    const { pipeline, give, sink, store, source } = await startedBench({}, { auto: true })
    await give(record(1))
    Object.assign(store, { save: never, close: never })
    Object.assign(sink, { close: never })
    Object.assign(source, { close: never })
    const stop = pipeline.stop()
    await vi.advanceTimersByTimeAsync(5000)
    // The event is confirmed, but its position isn't saved: the next start sends it again.
    expect(await stop).toEqual({ drained: false, unconfirmed: 0 })
  })

  test('does not reject when closing fails', async () => {
    const { pipeline, sink, source, store } = await startedBench()
    const fail = (): never => {
      throw new Error('no')
    }
    Object.assign(sink, { close: fail })
    Object.assign(source, { close: fail })
    Object.assign(store, { close: () => Promise.reject(new Error('no')) })
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
  })

  test('tries a failed save once more at once, not after the back-off', async () => {
    const { pipeline, give, store } = await startedBench({ retry: { minDelayMs: 30_000 } }, { auto: true })
    store.error = new Error('away')
    await give(record(1))
    await vi.advanceTimersByTimeAsync(1000)
    store.error = undefined
    await pipeline.stop()
    expect(store.saved).toEqual([1])
  })

  test('aborts transforms that are still running when the drain time is over', async () => {
    let signal: AbortSignal | undefined
    const { pipeline, give } = await startedBench({
      transform: (_, context) => {
        signal = context?.signal
        return never()
      },
    })
    await give(record(1))
    const stop = pipeline.stop({ drainTimeoutMs: 10 })
    await vi.advanceTimersByTimeAsync(10)
    expect(await stop).toEqual({ drained: false, unconfirmed: 1 })
    expect(signal?.aborted).toBe(true)
  })

  test('is what leaving an `await using` block calls', async () => {
    const { pipeline } = await startedBench()
    await pipeline[Symbol.asyncDispose]()
    expect(pipeline.state).toBe('stopped')
  })

  test('happens by itself, after everything is settled, when the source comes to its end', async () => {
    const { pipeline, source, sink, store } = bench({}, { auto: true })
    source.give([record(1), record(2)], 'end')
    await pipeline.run()
    expect(sink.messages).toEqual([1, 2])
    expect(store.saved).toEqual([2])
    expect(pipeline.state).toBe('stopped')
  })
})

describe('a fatal error', () => {
  test('of the source ends the pipeline with that error, after the other events had their time', async () => {
    const { pipeline, give, source, sink, store } = await startedBench()
    const error = new SourceError('CDC_HISTORY_LOST', 'gone')
    const stopped = collect(pipeline, 'stopped')
    const done = expect(pipeline.done).rejects.toBe(error)
    await give(record(1))
    source.give(error)
    await settle()
    expect(pipeline.state).toBe('stopping')
    await sink.sent[0]!.ack()
    await done
    expect(store.saved).toEqual([1])
    expect(pipeline.health()).toMatchObject({ state: 'failed', live: false, ready: false })
    expect(stopped).toEqual([{ drained: true, unconfirmed: 0, reason: 'source', error }])
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
  })

  test('lets other lanes finish and start, but nothing that follows the failed event in its lane', async () => {
    const { pipeline, give, sink, store } = await startedBench()
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_EVENT_FAILED' })
    await give(record(1, 'a'), record(2, 'b'), record(3, 'b'), record(4, 'a'), barrier(5))
    await sink.sent[1]!.refuse({ retryable: false })
    expect(pipeline.state).toBe('stopping')
    await sink.sent[0]!.ack()
    expect(sink.messages).toEqual([1, 2, 4])
    await sink.sent[2]!.ack()
    await done
    expect(store.saved).toEqual([1])
  })

  test('surfaces as an unhandled rejection when nobody observes it', async () => {
    const error = new SourceError('CDC_HISTORY_LOST', 'gone')
    const seen = await unhandled(async () => {
      const { source, pipeline } = await startedBench()
      source.give(error)
      await pipeline.stop().then(() => {})
    })
    expect(seen).toEqual([])
    const late = await unhandled(async () => {
      const { source } = await startedBench()
      source.give(error)
    })
    expect(late).toEqual([error])
  })

  test('of an event during a stop makes the pipeline fail, while stop() resolves', async () => {
    const { pipeline, give, sink } = await startedBench()
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_EVENT_FAILED' })
    await give(record(1))
    const stop = pipeline.stop()
    await sink.sent[0]!.refuse({ retryable: false })
    expect(await stop).toEqual({ drained: false, unconfirmed: 1 })
    await done
  })

  test('is an event without an id', async () => {
    const { pipeline, give } = await startedBench()
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_EVENT_ID_LOST' })
    const { id, ...nameless } = record(1)
    await give(nameless)
    await done
  })
})

describe('run', () => {
  test('resolves when its signal is aborted and everything is settled', async () => {
    const { pipeline, source, sink } = bench()
    const controller = new AbortController()
    const run = pipeline.run({ signal: controller.signal })
    source.give([record(1)])
    await settle()
    controller.abort()
    await settle()
    expect(pipeline.state).toBe('stopping')
    await sink.sent[0]!.ack()
    await run
    expect(pipeline.state).toBe('stopped')
  })

  test.each(['before', 'during'])('resolves when its signal is aborted %s the start', async when => {
    const { pipeline, sink } = bench()
    Object.assign(sink, { open: never })
    const controller = new AbortController()
    if (when === 'before') controller.abort()
    const run = pipeline.run({ signal: controller.signal })
    await settle()
    controller.abort()
    await run
    expect(pipeline.state).toBe('stopped')
  })

  test('rejects with the error of a failed start, and with a fatal one later', async () => {
    const error = new BrokerError('CDC_BROKER_AUTH_FAILED', 'no')
    const { pipeline, sink } = bench()
    Object.assign(sink, { open: () => Promise.reject(error) })
    await expect(pipeline.run()).rejects.toBe(error)
    const later = bench()
    later.source.give([], new SourceError('CDC_HISTORY_LOST', 'gone'))
    await expect(later.pipeline.run()).rejects.toMatchObject({ code: 'CDC_HISTORY_LOST' })
  })
})
