import { describe, expect, it, vi } from 'vitest'
import { deadLetterMessage } from '../../../src/message/dead-letter-message.js'
import { messageId } from '../../../src/message-id.js'
import type { AmqpConnection } from '../../../src/rabbit/amqp-types.js'
import { type RedriveOptions, redrive } from '../../../src/rabbit/redrive.js'

/** A queue of letters as amqplib's promise API shows it. */
class FakeQueue {
  readonly acked: unknown[] = []
  readonly calls: string[] = []
  readonly #letters: { content: Uint8Array; properties: { messageId: string } }[]

  constructor(bodies: readonly Uint8Array[]) {
    this.#letters = bodies.map((content, i) => ({ content, properties: { messageId: `letter${i}` } }))
  }

  get connection(): AmqpConnection {
    const channel = {
      on: () => {},
      checkQueue: async () => ({ messageCount: this.#letters.length }),
      get: async () => this.#letters.shift() ?? false,
      ack: (letter: { properties: { messageId: string } }) => this.calls.push(`ack ${letter.properties.messageId}`),
      nackAll: (requeue: boolean) => this.calls.push(`nackAll ${requeue}`),
      close: async () => this.calls.push('close channel'),
    }
    return {
      on: () => {},
      removeListener: () => {},
      createChannel: async () => channel,
      close: async () => this.calls.push('close connection'),
    } as unknown as AmqpConnection
  }
}

const make = deadLetterMessage()
const letter = (n: number, event: unknown = { n }): Uint8Array =>
  make({
    pipeline: 'orders',
    id: `id${n}`,
    stage: 'transform',
    attempts: 1,
    error: new Error('poison'),
    event,
    failedAt: new Date(0),
  }).body

const sinkOf = (publish: (message: unknown, delivery?: { id: string }) => Promise<void>) => ({
  publish: vi.fn(publish),
  close: vi.fn(async () => {}),
})

const options = (queue: FakeQueue, more: Partial<RedriveOptions<{ n: number }, unknown>> = {}) => ({
  connection: queue.connection,
  queue: 'dead',
  transform: (event: { n: number }) => event.n,
  sink: sinkOf(async () => {}),
  ...more,
})

describe('redrive', () => {
  it('acknowledges a letter only when all messages of its event are confirmed, under their own ids', async () => {
    const queue = new FakeQueue([letter(7)])
    const confirms: (() => void)[] = []
    const sink = sinkOf(() => new Promise(resolve => confirms.push(resolve)))
    const result = redrive(options(queue, { transform: () => ['a', null, 'b'], sink }))
    for (const _ of [1, 2]) {
      await vi.waitUntil(() => confirms.length > 0)
      expect(queue.calls).toEqual([])
      confirms.shift()?.()
    }
    expect(await result).toMatchObject({ redriven: 1, failed: 0, remaining: 0 })
    expect(sink.publish.mock.calls).toEqual([
      ['a', { id: messageId('id7', 0) }],
      ['b', { id: messageId('id7', 1) }],
    ])
    expect(queue.calls).toEqual(['ack letter0', 'nackAll true', 'close channel'])
    expect(sink.close).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['no letter at all', Buffer.from('{"n":1}'), {}, 'CDC_DEAD_LETTER_INVALID'],
    ['a letter without its whole event', letter(1, { n: () => 1 }), {}, 'CDC_DEAD_LETTER_INVALID'],
    ['a transform without a `return`', letter(1), { transform: () => undefined as never }, 'CDC_TRANSFORM_UNDEFINED'],
  ])('leaves in the queue: %s', async (_, body, more, code) => {
    const queue = new FakeQueue([body, letter(2)])
    const only = 'transform' in more
    const result = await redrive(options(queue, more))
    expect(result.failures[0]).toMatchObject({ messageId: 'letter0', error: { code } })
    expect(result).toMatchObject({ redriven: only ? 0 : 1, failed: only ? 2 : 1, remaining: only ? 2 : 1 })
    expect(queue.calls).not.toContain('ack letter0')
  })

  it('sends a message again that is refused in passing, and gives up on one that is refused for good', async () => {
    const queue = new FakeQueue([letter(1), letter(2)])
    let first = true
    const sink = sinkOf(async message => {
      if (message === 2) throw Object.assign(new Error('invalid'), { retryable: false })
      if (first) {
        first = false
        throw new Error('in passing')
      }
    })
    expect(await redrive(options(queue, { sink }))).toMatchObject({ redriven: 1, failed: 1 })
    expect(sink.publish.mock.calls.map(([message]) => message)).toEqual([1, 1, 2])
  })

  it('ends after the letter in hand when its signal is aborted', async () => {
    const queue = new FakeQueue([letter(1), letter(2)])
    const controller = new AbortController()
    const sink = sinkOf(async () => controller.abort())
    const result = await redrive(options(queue, { sink, signal: controller.signal }))
    expect(result).toMatchObject({ redriven: 1, failed: 0, remaining: 1 })
  })

  it('does not wait for ever for the letter in hand', async () => {
    const queue = new FakeQueue([letter(1), letter(2)])
    const controller = new AbortController()
    const sink = sinkOf(() => new Promise(() => {}))
    const result = redrive(options(queue, { sink, signal: controller.signal }))
    await vi.waitUntil(() => sink.publish.mock.calls.length > 0)
    vi.useFakeTimers()
    try {
      controller.abort()
      await vi.advanceTimersByTimeAsync(5000)
      expect(await result).toMatchObject({ redriven: 0, failed: 1, remaining: 2 })
    } finally {
      vi.useRealTimers()
    }
  })

  it.each([
    [{ url: 'amqp://localhost' }, 'exactly one of `url` and `connection`'],
    [{ queue: '' }, '`queue`'],
    [{ limit: 0 }, '`limit`'],
    [{ sink: {} }, '`sink`'],
    [{ transform: 'x' }, '`transform`'],
    [{ prefetch: 1 }, 'Unknown option `prefetch`'],
  ])('refuses %j before it touches anything', async (more, message) => {
    await expect(redrive(options(new FakeQueue([]), more as never))).rejects.toThrow(message)
  })
})
