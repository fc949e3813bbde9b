import { Int32 } from 'mongodb'
import { describe, expect, it, vi } from 'vitest'
import { deadLetterMessage } from '../../../src/message/dead-letter-message.js'
import { messageId } from '../../../src/message-id.js'
import { withNeeds } from '../../../src/needs.js'
import { type RedriveOptions, redrive } from '../../../src/rabbit/redrive.js'
import { map } from '../../../src/transform/map.js'
import { pipe } from '../../../src/transform/pipe.js'
import { redact } from '../../../src/transform/redact.js'
import type { Redaction } from '../../../src/transform/redaction.js'
import type { RulesByPath } from '../../../src/transform/rule-tree.js'
import { FakeQueue } from './fake-queue.js'

const make = deadLetterMessage()
const facts = (n: number) =>
  ({
    pipeline: 'orders',
    id: `id${n}`,
    stage: 'transform',
    attempts: 1,
    error: new Error('poison'),
    failedAt: new Date(0),
  }) as const
const letter = (n: number, event: unknown = { n }): Uint8Array => make({ ...facts(n), event }).body

const sinkOf = (publish: (message: unknown, delivery?: { id: string }) => Promise<void>) => ({
  publish: vi.fn(publish),
  close: vi.fn(async (_?: { readonly drainTimeoutMs?: number }) => {}),
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
    expect(sink.close).toHaveBeenCalledExactlyOnceWith({})
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

  it.each([
    ['numbers of JavaScript, as the source by itself', {}, 7],
    ['exact types, as the source with `promoteValues: false`', { promoteValues: false }, new Int32(7)],
    [
      'exact types where it needs them',
      { transform: withNeeds((event: { n: number }) => event.n, { exactTypes: true }) },
      new Int32(7),
    ],
  ])('gives the transform %s', async (_, more, n) => {
    const sink = sinkOf(async () => {})
    await redrive(options(new FakeQueue([letter(1, { n: new Int32(7) })]), { sink, ...more }))
    expect(sink.publish.mock.calls[0]?.[0]).toEqual(n)
  })

  describe('of a letter whose event is redacted', () => {
    const event = { operationType: 'insert', fullDocument: { n: 1, card: '0123456789abcdef' } }
    const hidden = (rules: RulesByPath<Redaction>): Uint8Array =>
      deadLetterMessage({ redact: redact(rules) })({ ...facts(1), event }).body
    const hashes = { card: { hash: { key: 'a key of more than 16 bytes' } } }
    const masks = { card: { mask: '*****', keepLast: 4 } }
    const documentOf = map((change: { n: number }) => (change as unknown as typeof event).fullDocument)
    const sent = async (body: Uint8Array, rules: RulesByPath<Redaction>) => {
      const sink = sinkOf(async () => {})
      const transform = pipe(redact(rules) as never, documentOf) as never
      return { ...(await redrive(options(new FakeQueue([body]), { transform, sink }))), sink }
    }

    it('refuses a transform that would hash what is a hash already', async () => {
      for (const rules of [hashes, { card: { mask: '****', keepLast: 4 } }] as const) {
        const { failures, failed, sink } = await sent(hidden(rules), rules)
        expect(failed).toBe(1)
        expect(failures[0]?.error).toMatchObject({
          code: 'CDC_DEAD_LETTER_INVALID',
          hint: expect.stringContaining('without `redact`'),
        })
        expect(sink.publish).not.toHaveBeenCalled()
      }
    })

    it('masks and removes once more, which changes nothing', async () => {
      const { redriven, sink } = await sent(hidden(masks), masks)
      expect(redriven).toBe(1)
      expect(sink.publish.mock.calls[0]?.[0]).toEqual({ n: 1, card: '*****cdef' })
    })

    it('hashes where the letter holds the whole event', async () => {
      const { redriven, sink } = await sent(letter(1, event), hashes)
      expect(redriven).toBe(1)
      expect(sink.publish.mock.calls[0]?.[0]).toMatchObject({ card: expect.stringMatching(/^[0-9a-f]{64}$/) })
    })
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
      expect(sink.close).toHaveBeenCalledExactlyOnceWith({ drainTimeoutMs: 0 })
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
    [{ promoteValues: 1 }, '`promoteValues`'],
    [{ promoteValues: true, transform: withNeeds(() => 1, { exactTypes: true }) }, 'to be false for canonical EJSON'],
    [{ prefetch: 1 }, 'Unknown option `prefetch`'],
  ])('refuses %j before it touches anything', async (more, message) => {
    await expect(redrive(options(new FakeQueue([]), more as never))).rejects.toThrow(message)
  })
})
