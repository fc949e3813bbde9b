import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PublishError } from '../../../src/errors.js'
import { messageId } from '../../../src/message-id.js'
import type { EventFailure } from '../../../src/pipeline/failure-policy.js'
import { collect, startedBench } from './support/bench.js'
import { ScriptedSink, settle } from './support/parts.js'
import { record, type TestEvent } from './support/records.js'

const nack = (): PublishError => new PublishError('CDC_NACKED', 'nack', 'full', { retryable: true })
const invalid = (): PublishError => new PublishError('CDC_MESSAGE_INVALID', 'invalid', 'bad property')
const unroutable = (): PublishError => new PublishError('CDC_UNROUTABLE', 'unroutable', 'no queue', { retryable: true })
const poison = new Error('poison')

/** Throws for the events of key `bad`. */
const transform = (event: TestEvent): unknown => {
  if (event.key === 'bad') throw poison
  return event.n
}
const deadLetter = { message: ({ event }: { event: TestEvent }): unknown => `dead ${event.n}` }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a dead letter', () => {
  const options = { transform, deadLetter, onFailedEvent: 'dead-letter' } as const

  test('goes to the sink of the pipeline, under an id of its own, and settles the event when it is confirmed', async () => {
    const { sink, give, pipeline, store } = await startedBench(options)
    const failed = collect(pipeline, 'failedEvent')
    const letters = collect(pipeline, 'deadLettered')
    await give(record(1, 'bad'), record(2, 'good'))
    await sink.sent.find(sent => sent.message === 2)!.ack()
    await vi.advanceTimersByTimeAsync(5000)
    expect(failed).toMatchObject([{ id: 'id1', stage: 'transform', action: 'dead-letter' }])
    expect([letters, store.saved]).toEqual([[], []])
    const letter = sink.sent.find(sent => sent.message === 'dead 1')!
    expect(letter.id).toBe(messageId('id1', -1))
    await letter.ack()
    await vi.advanceTimersByTimeAsync(5000)
    expect(letters).toEqual([{ id: 'id1', event: { n: 1, key: 'bad' } }])
    expect(store.saved).toEqual([2])
    expect(pipeline.stats()).toMatchObject({ failed: 1, deadLettered: 1, skipped: 0, published: 1, inFlight: 0 })
  })

  test('is told everything about the failure', async () => {
    const message = vi.fn(() => 'letter')
    const { give } = await startedBench({ ...options, deadLetter: { message } })
    vi.setSystemTime(1234)
    await give(record(1, 'bad'))
    expect(message.mock.calls).toEqual([
      [
        {
          stage: 'transform',
          error: expect.objectContaining({ code: 'CDC_TRANSFORM_FAILED', cause: poison }),
          event: { n: 1, key: 'bad' },
          id: 'id1',
          attempts: 1,
          pipeline: 'bench',
          failedAt: new Date(1234),
        },
      ],
    ])
  })

  test('holds its lane, and no other', async () => {
    const { sink, give } = await startedBench({
      ...options,
      transform: e => (e.n === 1 ? transform({ ...e, key: 'bad' }) : e.n),
    })
    await give(record(1, 'a'), record(2, 'a'), record(3, 'b'))
    expect(sink.messages).toEqual(['dead 1', 3])
    await sink.sent[0]!.ack()
    expect(sink.messages).toEqual(['dead 1', 3, 2])
  })

  test('follows a message that is refused for good', async () => {
    const { sink, give, pipeline } = await startedBench({ ...options, transform: () => ['x', 'y'] })
    await give(record(1))
    await sink.sent[0]!.refuse(invalid())
    await sink.sent[1]!.ack()
    expect(sink.messages).toEqual(['x', 'y', 'dead 1'])
    await sink.sent[2]!.ack()
    expect(pipeline.stats()).toMatchObject({ deadLettered: 1, inFlight: 0 })
  })

  test('is sent again without limit while the broker has no room', async () => {
    const { sink, give, pipeline, store } = await startedBench({ ...options, maxAttempts: 2 })
    const retries = collect(pipeline, 'retry')
    await give(record(1, 'bad'))
    for (let round = 0; round < 10; round += 1) {
      await sink.sent.at(-1)!.refuse(nack())
      expect(pipeline.state).toBe('degraded')
      await vi.advanceTimersByTimeAsync(30_000)
    }
    expect(sink.messages).toEqual(Array(11).fill('dead 1'))
    expect(retries).toHaveLength(10)
    expect(retries[9]).toMatchObject({ id: 'id1', stage: 'dead-letter', attempt: 10 })
    expect(store.saved).toEqual([])
    await sink.sent.at(-1)!.ack()
    expect(pipeline.state).toBe('running')
    await vi.advanceTimersByTimeAsync(5000)
    expect(store.saved).toEqual([1])
  })

  test.each([
    ['refused for good', invalid, 1],
    ['returned by the broker each time', unroutable, 3],
    ['refused each time by an own sink', () => new TypeError('what is this'), 3],
    ['refused each time by a sink that says so', () => Object.assign(new Error('503'), { retryable: true }), 3],
  ])('that is %s stops the pipeline with a reason of its own', async (_, error, attempts) => {
    const { sink, give, pipeline, store } = await startedBench({ ...options, maxAttempts: 3 })
    const stopped = collect(pipeline, 'stopped')
    const cause = error()
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_DEAD_LETTER_FAILED', cause })
    await give(record(1, 'bad'))
    for (let round = 0; round < attempts; round += 1) {
      await sink.sent.at(-1)!.refuse(cause)
      await vi.advanceTimersByTimeAsync(30_000)
    }
    await done
    expect(sink.messages).toHaveLength(attempts)
    expect(store.saved).toEqual([])
    expect(stopped).toMatchObject([{ reason: 'dead-letter-failed', unconfirmed: 1 }])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no letter')
      },
    ],
    ['forgets its return', () => undefined],
  ])('whose function %s stops the pipeline likewise', async (_, message) => {
    const { give, pipeline } = await startedBench({ ...options, deadLetter: { message } })
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_DEAD_LETTER_FAILED' })
    await give(record(1, 'bad'))
    await done
  })

  test('goes to a sink of its own, which is opened, watched and closed with the others', async () => {
    const own = new ScriptedSink({ auto: true })
    const open = vi.fn(async () => {})
    Object.assign(own, { open })
    const { sink, give, pipeline } = await startedBench({ ...options, deadLetter: { ...deadLetter, sink: own } })
    await give(record(1, 'bad'), record(2, 'good'))
    expect([own.messages, sink.messages]).toEqual([['dead 1'], [2]])
    expect(open).toHaveBeenCalledTimes(1)
    own.become({ ok: false, since: 0, reason: 'reconnecting' })
    expect(pipeline.health()).toMatchObject({ state: 'degraded', reasons: ['dead-letter reconnecting'] })
    await give(record(3, 'better'))
    expect(sink.messages).toEqual([2, 3]) // it holds up nobody but the events that wait for it
    void pipeline.stop({ drainTimeoutMs: 0 })
    await vi.advanceTimersByTimeAsync(10)
    expect(own.closed).toEqual({ drainTimeoutMs: 0 })
  })
})

describe('a function in `onFailedEvent`', () => {
  test('decides case by case, and knows why', async () => {
    const seen: EventFailure<TestEvent>[] = []
    const { sink, give, pipeline } = await startedBench({
      transform,
      deadLetter,
      onFailedEvent: failure => {
        seen.push(failure)
        return failure.event.n === 1 ? 'skip' : 'dead-letter'
      },
    })
    await give(record(1, 'bad'), record(2, 'bad'))
    expect(sink.messages).toEqual(['dead 2'])
    expect(seen[0]).toMatchObject({
      stage: 'transform',
      event: { n: 1 },
      id: 'id1',
      attempts: 1,
      error: { cause: poison },
    })
    expect(pipeline.stats()).toMatchObject({ failed: 2, skipped: 1 })
  })

  test('holds the lane of the event, and no other, while its decision is open', async () => {
    let decide: (decision: 'skip') => void = () => {}
    const { sink, give, pipeline } = await startedBench({
      transform: event => (event.n === 1 ? transform({ ...event, key: 'bad' }) : event.n),
      onFailedEvent: () =>
        new Promise(resolve => {
          decide = resolve
        }),
    })
    await give(record(1, 'a'), record(2, 'a'), record(3, 'b'))
    expect(sink.messages).toEqual([3])
    expect(pipeline.stats().failed).toBe(0)
    decide('skip')
    await settle()
    expect(sink.messages).toEqual([3, 2])
  })

  test('may ask for one more attempt, as often as it likes, with growing `attempts`', async () => {
    const attempts: number[] = []
    let fine = false
    const { sink, give, pipeline } = await startedBench({
      transform: event => (fine ? event.n : transform({ ...event, key: 'bad' })),
      onFailedEvent: failure => {
        attempts.push(failure.attempts)
        return 'retry'
      },
    })
    await give(record(1))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(attempts.slice(0, 3)).toEqual([1, 2, 3])
    fine = true
    await vi.advanceTimersByTimeAsync(30_000)
    expect(sink.messages).toEqual([1])
    expect(pipeline.stats()).toMatchObject({ failed: 0, retries: attempts.length })
  })

  test('that asks for one more attempt of a message has only that sent again', async () => {
    const { sink, give } = await startedBench({
      transform: () => ['x', 'bad', 'z'],
      onFailedEvent: ({ attempts }) => (attempts < 3 ? 'retry' : 'skip'),
    })
    await give(record(1, 'a'), record(2, 'a'))
    await sink.sent[0]!.ack()
    await sink.sent[2]!.ack()
    for (const index of [1, 3, 4]) {
      await sink.sent[index]!.refuse(invalid())
      await vi.advanceTimersByTimeAsync(30_000)
    }
    expect(sink.messages).toEqual(['x', 'bad', 'z', 'bad', 'bad', 'x', 'bad', 'z'])
  })

  test.each([
    [
      'throws',
      () => {
        throw poison
      },
      poison,
    ],
    ['rejects', () => Promise.reject(poison), poison],
    ['returns what is no action', () => 'ignore' as 'skip', { code: 'CDC_TRANSFORM_FAILED' }],
    ['returns nothing', () => undefined as unknown as 'skip', { code: 'CDC_TRANSFORM_FAILED' }],
    ['wants a dead letter that nobody makes', () => 'dead-letter' as const, { code: 'CDC_TRANSFORM_FAILED' }],
  ])('that %s stops the pipeline with the event unsettled', async (_, onFailedEvent, cause) => {
    const { give, pipeline, store } = await startedBench({ transform, onFailedEvent }, { auto: true })
    const stopped = collect(pipeline, 'stopped')
    const failed = collect(pipeline, 'failedEvent')
    const done = pipeline.done.catch(error => error)
    await give(record(1, 'bad'))
    const error = await done
    expect(error).toMatchObject({ code: 'CDC_POLICY_FAILED' })
    expect(error.cause).toMatchObject(cause)
    expect(failed).toMatchObject([{ id: 'id1', action: 'stop' }])
    expect(stopped).toMatchObject([{ reason: 'policy-failed', unconfirmed: 1 }])
    expect(store.saved).toEqual([])
  })

  test('is not waited for longer than a stop may take, and a late answer changes nothing', async () => {
    let decide: (decision: 'skip') => void = () => {}
    const { give, pipeline } = await startedBench({
      transform,
      onFailedEvent: () =>
        new Promise(resolve => {
          decide = resolve
        }),
    })
    await give(record(1, 'bad'))
    const stop = pipeline.stop({ drainTimeoutMs: 100 })
    await vi.advanceTimersByTimeAsync(100)
    expect(await stop).toEqual({ drained: false, unconfirmed: 1 })
    decide('skip')
    await settle()
    expect(pipeline.stats()).toMatchObject({ skipped: 0, failed: 0 })
  })
})

describe('the circuit breaker', () => {
  const events = (keys: string) => [...keys].map((key, i) => record(i + 1, key === 'x' ? 'bad' : `k${i}`))

  test('stops the pipeline at the failure that is one too many, which stays unsettled', async () => {
    const { sink, give, pipeline } = await startedBench(
      { transform, deadLetter, onFailedEvent: 'dead-letter', circuitBreaker: { failures: 3, of: 10 } },
      { auto: true },
    )
    const stopped = collect(pipeline, 'stopped')
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_CIRCUIT_OPEN', cause: { cause: poison } })
    await give(...events('x.x.x.x'))
    await done
    expect(sink.messages.filter(message => typeof message === 'string')).toEqual(['dead 1', 'dead 3'])
    expect(stopped).toMatchObject([{ reason: 'circuit-open' }])
  })

  test('counts only the last events', async () => {
    const { give, pipeline } = await startedBench(
      { transform, onFailedEvent: 'skip', circuitBreaker: { failures: 2, of: 3 } },
      { auto: true },
    )
    for (const event of events('x..x..x..')) await give(event)
    expect(pipeline.stats()).toMatchObject({ skipped: 3, state: 'running' })
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_CIRCUIT_OPEN' })
    await give(record(20, 'bad'))
    await give(record(21, 'bad'))
    await done
  })
})
