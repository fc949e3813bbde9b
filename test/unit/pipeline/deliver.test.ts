import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PublishError } from '../../../src/errors.js'
import { messageId } from '../../../src/message-id.js'
import { collect, startedBench } from './support/bench.js'
import { barrier, record } from './support/records.js'

const nack = (): PublishError => new PublishError('CDC_NACKED', 'nack', 'full', { retryable: true })
const unroutable = (retryable: boolean): PublishError =>
  new PublishError('CDC_UNROUTABLE', 'unroutable', 'no queue', { retryable })
const invalid = (): PublishError => new PublishError('CDC_MESSAGE_INVALID', 'invalid', 'bad property')

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('publishing an event', () => {
  test('sends its messages in array order, all at once, each under a stable id', async () => {
    const { sink, give, pipeline } = await startedBench({ transform: () => ['a', 'b', 'c'] })
    const published = collect(pipeline, 'published')
    await give(record(1))
    expect(sink.messages).toEqual(['a', 'b', 'c'])
    expect(sink.sent.map(sent => sent.id)).toEqual([0, 1, 2].map(index => messageId('id1', index)))
    await sink.sent[2]!.ack()
    await sink.sent[0]!.ack()
    expect(published).toEqual([])
    await sink.sent[1]!.ack()
    expect(published).toEqual([{ id: 'id1', event: { n: 1, key: 'k1' }, messages: 3, attempts: 1 }])
    expect(pipeline.stats()).toMatchObject({ published: 1, messages: 3, inFlight: 0, inFlightBytes: 0 })
  })

  test('holds only the events of the same key', async () => {
    const { sink, give } = await startedBench()
    await give(record(1, 'a'), record(2, 'a'), record(3, 'b'))
    expect(sink.messages).toEqual([1, 3])
    await sink.sent[0]!.ack()
    expect(sink.messages).toEqual([1, 3, 2])
  })

  test('counts the encoded size instead of the size of the record', async () => {
    const { sink, give, pipeline } = await startedBench({ transform: () => ['four', 'sixsix'] })
    Object.assign(sink, { sizeOf: (message: string) => message.length })
    await give(record(1, 'a', 1000))
    expect(pipeline.stats().inFlightBytes).toBe(10)
  })

  test('an event for which the transform returns null or an empty array is filtered', async () => {
    const { sink, give, pipeline } = await startedBench({ transform: event => (event.n === 1 ? null : []) })
    const filtered = collect(pipeline, 'filtered')
    await give(record(1), record(2))
    expect(sink.sent).toEqual([])
    expect(filtered.map(event => event.id)).toEqual(['id1', 'id2'])
    expect(pipeline.stats()).toMatchObject({ filtered: 2, published: 0, inFlight: 0, peakInFlight: 1 })
  })
})

describe('a message that is refused', () => {
  test('is sent again for ever after a nack, alone, and the pipeline is degraded meanwhile', async () => {
    const { sink, give, pipeline } = await startedBench({ transform: () => ['a', 'b'], maxAttempts: 2 })
    const retries = collect(pipeline, 'retry')
    await give(record(1, 'a'), record(2, 'a'))
    await sink.sent[0]!.ack()
    for (let round = 0; round < 10; round += 1) {
      await sink.sent.at(-1)!.refuse(nack())
      expect(pipeline.health()).toMatchObject({ state: 'degraded', reasons: ['nack'], ready: false, live: true })
      await vi.advanceTimersByTimeAsync(30_000)
    }
    expect(sink.messages.slice(1)).toEqual(Array(11).fill('b'))
    expect(retries).toHaveLength(10)
    expect(retries[9]).toMatchObject({ id: 'id1', stage: 'publish', attempt: 10 })
    await sink.sent.at(-1)!.ack()
    expect(pipeline.state).toBe('running')
    expect(sink.messages.slice(-2)).toEqual(['a', 'b']) // the next event of the lane
  })

  test.each([
    ['an error that says `retryable: true`', unroutable(true)],
    ['a foreign error', new Error('what is this')],
    ['nothing at all', undefined],
  ])('is sent `maxAttempts` times after %s', async (_, error) => {
    const { sink, give, pipeline } = await startedBench({ maxAttempts: 3, onFailedEvent: 'skip' })
    const failed = collect(pipeline, 'failedEvent')
    await give(record(1, 'a'), record(2, 'a'))
    for (let round = 0; round < 3; round += 1) {
      await sink.sent.at(-1)!.refuse(error)
      await vi.advanceTimersByTimeAsync(30_000)
    }
    expect(sink.messages).toEqual([1, 1, 1, 2])
    const event = { n: 1, key: 'a' }
    expect(failed).toEqual([{ id: 'id1', stage: 'publish', error, event, attempts: 3, action: 'skip' }])
    expect(pipeline.stats()).toMatchObject({ failed: 1, skipped: 1, retries: 2, inFlight: 1 })
  })

  test('by default is sent 5 times', async () => {
    const { sink, give, pipeline } = await startedBench({ onFailedEvent: 'skip' })
    await give(record(1))
    for (let round = 0; round < 8; round += 1) {
      await sink.sent.at(-1)!.refuse(unroutable(true))
      await vi.advanceTimersByTimeAsync(30_000)
    }
    expect(sink.messages).toHaveLength(5)
    expect(pipeline.stats().skipped).toBe(1)
  })

  test('is sent again after the delays of the option `retry`', async () => {
    const { sink, give } = await startedBench({ retry: { minDelayMs: 7000, maxDelayMs: 7000 } })
    await give(record(1))
    await sink.sent[0]!.refuse(nack())
    await vi.advanceTimersByTimeAsync(3499)
    expect(sink.messages).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(3501)
    expect(sink.messages).toHaveLength(2)
  })

  test('is decided on only when the other messages of its event are confirmed', async () => {
    const { sink, give, pipeline } = await startedBench({ transform: () => ['bad', 'full'], onFailedEvent: 'skip' })
    await give(record(1))
    await sink.sent[0]!.refuse(invalid())
    await sink.sent[1]!.refuse(nack())
    await vi.advanceTimersByTimeAsync(30_000)
    expect(sink.messages).toEqual(['bad', 'full', 'full'])
    expect(pipeline.stats().failed).toBe(0)
    await sink.sent[2]!.ack()
    expect(pipeline.stats()).toMatchObject({ failed: 1, skipped: 1, inFlight: 0 })
  })

  test('stops the pipeline by default, with the cause and without the document', async () => {
    const { sink, give, pipeline, store } = await startedBench()
    const done = expect(pipeline.done).rejects.toMatchObject({
      code: 'CDC_EVENT_FAILED',
      cause: { code: 'CDC_MESSAGE_INVALID' },
      message: expect.stringMatching(/^An event failed for good in stage "publish" after 1 attempt with CDC_MESSAGE/),
    })
    await give(record(1, 'a'), record(2, 'b'), record(3, 'b'), record(4, 'c'))
    await sink.sent[2]!.ack()
    await sink.sent[0]!.ack()
    await sink.sent[1]!.refuse(invalid())
    await done
    expect(pipeline.state).toBe('failed')
    expect(store.saved).toEqual([1])
    expect(sink.messages).toEqual([1, 2, 4])
  })

  test('counts a sink that throws, or forgets to return its promise, as one that rejects', async () => {
    const throwing = {
      publish: vi.fn(() => {
        throw invalid()
      }),
      close: async () => {},
    }
    const thrown = await startedBench({ sink: throwing, onFailedEvent: 'skip' })
    await thrown.give(record(1), record(2))
    expect(thrown.pipeline.stats().skipped).toBe(2)
    const forgetful = { publish: (() => undefined) as unknown as () => Promise<void>, close: async () => {} }
    const forgot = await startedBench({ sink: forgetful, onFailedEvent: 'skip' })
    const failed = collect(forgot.pipeline, 'failedEvent')
    await forgot.give(record(1))
    expect(failed[0]?.error).toMatchObject({ code: 'CDC_OPTION_INVALID' })
  })

  test('a thousand events of one lane that fail at once do not pile up on the stack', async () => {
    const { give, pipeline } = await startedBench({
      transform: () => {
        throw new Error('no')
      },
      onFailedEvent: 'skip',
      maxInFlight: 100_000,
    })
    await give(barrier(0), ...Array.from({ length: 20_000 }, (_, i) => record(i + 1, 'hot')))
    expect(pipeline.stats().skipped).toBe(20_001)
  })
})
