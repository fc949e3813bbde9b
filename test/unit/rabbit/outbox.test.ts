import { EventEmitter } from 'node:events'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { PublishError } from '../../../src/errors.js'
import type { AmqpConfirmChannel } from '../../../src/rabbit/amqp-types.js'
import { Outbox } from '../../../src/rabbit/outbox.js'
import type { OutboxHooks, OutboxRow } from '../../../src/rabbit/outbox-row.js'

/** Records what is published, and plays the broker. */
class FakeChannel extends EventEmitter {
  readonly sent: string[] = []
  full = false
  throwing: Error | undefined

  publish(_exchange: string, _routingKey: string, _body: Buffer, { messageId }: { messageId: string }): boolean {
    if (this.throwing) throw this.throwing
    this.sent.push(messageId)
    return !this.full
  }

  ack(deliveryTag: number, multiple = false): void {
    this.emit('ack', { deliveryTag, multiple })
  }

  get asChannel(): AmqpConfirmChannel {
    return this as unknown as AmqpConfirmChannel
  }
}

function setUp(hooks: Partial<OutboxHooks> = {}) {
  const log: string[] = []
  const outbox = new Outbox(30_000, {
    returned: () => {},
    healRoutes: async () => {},
    silence: () => {},
    strayReturn: () => log.push('stray'),
    stale: () => log.push('stale'),
    cleared: () => log.push('cleared'),
    ...hooks,
  })
  const push = (id: string, mandatory = true) => {
    outbox.push({
      exchange: 'x',
      routingKey: 'k',
      body: Buffer.alloc(1),
      bytes: 1,
      options: { messageId: id, mandatory } as OutboxRow['options'],
      sent: false,
      resolve: () => log.push(`${id} ok`),
      reject: error => log.push(`${id} ${(error as PublishError).code}`),
    })
  }
  return { log, outbox, push }
}

/** The same, with a channel to send over. */
function attached() {
  const channel = new FakeChannel()
  const made = setUp()
  made.outbox.attach(channel.asChannel)
  return { channel, ...made }
}

const tick = () => new Promise(resolve => setImmediate(resolve))

describe('outbox', () => {
  it('sends in the order of the calls, also what came before there was a channel', () => {
    const { outbox, push } = setUp()
    const channel = new FakeChannel()
    push('a')
    push('b')
    expect(outbox.attach(channel.asChannel)).toBe(0)
    push('c')
    expect(channel.sent).toEqual(['a', 'b', 'c'])
    expect(outbox.pending).toBe(3)
  })

  it('sends what is unconfirmed again, in its order and before everything else', () => {
    const { log, outbox, push } = setUp()
    const first = new FakeChannel()
    outbox.attach(first.asChannel)
    for (const id of ['a', 'b', 'c', 'd']) push(id)
    first.ack(2)
    expect(outbox.detach().map(row => row.options.messageId)).toEqual(['a', 'c', 'd'])
    push('e')
    const second = new FakeChannel()
    expect(outbox.attach(second.asChannel)).toBe(3)
    expect(second.sent).toEqual(['a', 'c', 'd', 'e'])
    first.ack(4, true)
    second.ack(4, true)
    expect(log).toEqual(['b ok', 'a ok', 'c ok', 'd ok', 'e ok'])
    expect(outbox.settled).toBe(5)
  })

  it('stops writing when the channel is full, and goes on at drain', () => {
    const { channel, push } = attached()
    channel.full = true
    push('a')
    push('b')
    expect(channel.sent).toEqual(['a'])
    channel.full = false
    channel.emit('drain')
    expect(channel.sent).toEqual(['a', 'b'])
  })

  it('does not wait for the drain of a channel that is gone', () => {
    const { outbox, push } = setUp()
    const full = new FakeChannel()
    outbox.attach(full.asChannel)
    full.full = true
    push('a')
    push('b')
    outbox.detach()
    const next = new FakeChannel()
    outbox.attach(next.asChannel)
    expect(next.sent).toEqual(['a', 'b'])
  })

  it('writes nothing while blocked', () => {
    const { channel, outbox, push } = attached()
    outbox.setBlocked(true)
    push('a')
    expect(channel.sent).toEqual([])
    outbox.setBlocked(false)
    expect(channel.sent).toEqual(['a'])
  })

  it('keeps a message for which the channel is already closing', () => {
    const { outbox, push } = setUp()
    const closing = new FakeChannel()
    outbox.attach(closing.asChannel)
    closing.throwing = Object.assign(new Error('Channel closing'), { name: 'IllegalOperationError' })
    push('a')
    push('b')
    outbox.detach()
    const next = new FakeChannel()
    outbox.attach(next.asChannel)
    expect(next.sent).toEqual(['a', 'b'])
  })

  it('rejects what amqplib can not encode and counts no tag for it', () => {
    const { channel, log, push } = attached()
    channel.throwing = new TypeError('the secret value')
    push('a')
    channel.throwing = undefined
    push('b')
    channel.ack(1)
    expect(log).toEqual(['a CDC_MESSAGE_INVALID', 'b ok'])
  })

  it('rejects a returned message after its ack, when the topology was declared again', async () => {
    let healed = 0
    const { log, outbox, push } = setUp({
      healRoutes: async () => {
        healed += 1
      },
    })
    const channel = new FakeChannel()
    outbox.attach(channel.asChannel)
    push('a')
    push('b')
    const fields = { exchange: 'x', routingKey: 'k', replyText: 'NO_ROUTE' }
    channel.emit('return', { fields, properties: { messageId: 'b' } })
    channel.ack(2, true)
    expect(log).toEqual(['a ok'])
    const idle = outbox.idle()
    await idle
    expect([log, healed]).toEqual([['a ok', 'b CDC_UNROUTABLE'], 1])
  })

  it('takes an unknown message that came back for the only one that is unconfirmed', async () => {
    const { channel, log, push } = attached()
    push('a')
    push('b')
    channel.ack(1)
    const fields = { exchange: 'x', routingKey: 'another', replyText: 'NO_ROUTE' }
    channel.emit('return', { fields, properties: {} })
    channel.ack(2)
    await tick()
    expect(log).toEqual(['a ok', 'b CDC_UNROUTABLE'])
  })

  it('confirms nothing on a channel where an unknown message came back, and finds it one at a time', async () => {
    const set = setUp({
      strayReturn: () => {
        set.log.push('stray')
        set.outbox.detach()
      },
    })
    const { log, outbox, push } = set
    const first = new FakeChannel()
    outbox.attach(first.asChannel)
    for (const id of ['a', 'b', 'c']) push(id)
    const stray = { fields: { exchange: 'x', routingKey: '?', replyText: 'NO_ROUTE' }, properties: { messageId: '?' } }
    first.emit('return', stray)
    first.ack(3, true)
    first.emit('return', stray)
    expect(log).toEqual(['stray'])
    const second = new FakeChannel()
    outbox.attach(second.asChannel)
    push('d')
    second.ack(1)
    expect(second.sent).toEqual(['a', 'b'])
    second.emit('return', stray)
    second.ack(2)
    second.ack(3)
    expect(second.sent).toEqual(['a', 'b', 'c', 'd'])
    second.ack(4)
    await tick()
    expect(log).toEqual(['stray', 'a ok', 'c ok', 'cleared', 'd ok', 'b CDC_UNROUTABLE'])
  })

  it('does not take a message of the same route for one that came back with another id', () => {
    const { channel, log, push } = attached()
    push('a')
    push('b')
    const fields = { exchange: 'x', routingKey: 'k', replyText: 'NO_ROUTE' }
    channel.emit('return', { fields, properties: { messageId: 'B' } })
    expect(log).toEqual(['stray'])
  })

  it('is not disturbed by an unknown message that came back when nothing is unconfirmed', () => {
    const { channel, log, push } = attached()
    push('a')
    channel.ack(1)
    const fields = { exchange: 'x', routingKey: 'k', replyText: 'NO_ROUTE' }
    channel.emit('return', { fields, properties: { messageId: 'a' } })
    expect(log).toEqual(['a ok'])
  })

  it('rejects a nack', () => {
    const { channel, log, push } = attached()
    push('a')
    channel.emit('nack', { deliveryTag: 1, multiple: false })
    expect(log).toEqual(['a CDC_NACKED'])
  })

  it('asks for another channel when messages were refused for long, as soon as all on this one are answered', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const { channel, log, outbox, push } = attached()
      push('a')
      channel.emit('nack', { deliveryTag: 1, multiple: false })
      vi.advanceTimersByTime(30_000)
      for (const id of ['b', 'c', 'd']) push(id)
      channel.emit('nack', { deliveryTag: 2, multiple: false })
      push('e')
      expect(channel.sent).toEqual(['a', 'b', 'c', 'd'])
      channel.ack(3)
      expect(log).toEqual(['a CDC_NACKED', 'b CDC_NACKED', 'c ok'])
      channel.ack(4)
      expect(log).toEqual(['a CDC_NACKED', 'b CDC_NACKED', 'c ok', 'd ok', 'stale'])
      expect(outbox.detach()).toEqual([])
      const next = new FakeChannel()
      expect(outbox.attach(next.asChannel)).toBe(0)
      expect(next.sent).toEqual(['e'])
    } finally {
      vi.useRealTimers()
    }
  })

  it('goes on after five seconds where another queue keeps its confirms back', () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    try {
      const { channel, log, outbox, push } = attached()
      push('a')
      channel.emit('nack', { deliveryTag: 1, multiple: false })
      vi.advanceTimersByTime(30_000)
      for (const id of ['silent', 'b']) push(id)
      channel.emit('nack', { deliveryTag: 3, multiple: false })
      push('c')
      vi.advanceTimersByTime(4999)
      expect(channel.sent).toEqual(['a', 'silent', 'b'])
      vi.advanceTimersByTime(1)
      expect(channel.sent).toEqual(['a', 'silent', 'b', 'c'])
      channel.ack(4)
      expect(log.at(-1)).toBe('c ok')
      channel.emit('nack', { deliveryTag: 2, multiple: false })
      outbox.rejectAll(() => new Error('closed'))
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it('sends suspects one at a time, and goes on at full speed when they are through', () => {
    const { log, outbox, push } = setUp()
    outbox.attach(new FakeChannel().asChannel)
    for (const id of ['a', 'b', 'c', 'd']) push(id)
    outbox.detach()
    outbox.probe(2)
    const channel = new FakeChannel()
    outbox.attach(channel.asChannel)
    expect(channel.sent).toEqual(['a'])
    channel.ack(1)
    expect(channel.sent).toEqual(['a', 'b'])
    channel.ack(2)
    expect(channel.sent).toEqual(['a', 'b', 'c', 'd'])
    expect(log).toEqual(['a ok', 'b ok', 'cleared'])
  })

  it('sends one message at each time-out of the confirms, and the others when that is confirmed', () => {
    vi.useFakeTimers()
    try {
      const ids = ['a', 'b', 'c', 'd']
      const copies: string[][] = []
      const made = setUp({ silence: () => made.outbox.detach() })
      const over = (): FakeChannel => {
        const channel = new FakeChannel()
        made.outbox.attach(channel.asChannel)
        copies.push(channel.sent)
        return channel
      }
      over()
      for (const id of ids) made.push(id)
      for (const afterMs of [31_000, 61_000, 121_000]) {
        vi.advanceTimersByTime(afterMs)
        over().ack(9)
      }
      expect(copies).toEqual([ids, ['a'], ['a'], ['a']])
      vi.advanceTimersByTime(241_000)
      const last = over()
      last.ack(1)
      expect(last.sent).toEqual(ids)
      last.ack(4, true)
      expect(made.log.filter(line => line !== 'cleared')).toEqual(ids.map(id => `${id} ok`))
    } finally {
      vi.useRealTimers()
    }
  })

  it('takes a culprit out of the line', () => {
    const { log, outbox, push } = setUp()
    outbox.attach(new FakeChannel().asChannel)
    for (const id of ['a', 'b', 'c']) push(id)
    const [, culprit] = outbox.detach()
    outbox.probe(3)
    outbox.refuse(culprit!, new PublishError('CDC_MESSAGE_REFUSED', 'refused', 'no'))
    const channel = new FakeChannel()
    outbox.attach(channel.asChannel)
    expect(channel.sent).toEqual(['a', 'c'])
    expect(log).toEqual(['cleared', 'b CDC_MESSAGE_REFUSED'])
  })

  it('rejects everything at the end', async () => {
    const { log, outbox, push } = setUp()
    outbox.attach(new FakeChannel().asChannel)
    push('a')
    outbox.detach()
    push('b')
    outbox.rejectAll(() => new PublishError('CDC_PUBLISHER_CLOSED', 'refused', 'closed'))
    expect(log).toEqual(['a CDC_PUBLISHER_CLOSED', 'b CDC_PUBLISHER_CLOSED'])
    await outbox.idle()
  })

  it('settles each message once and keeps first arrivals in order, whatever happens', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.constant('push' as const) },
      fc.record({ lostInTransit: fc.nat(5) }),
      fc.constant('block' as const),
      fc.constant('unblock' as const),
      fc.constant('fill' as const),
      fc.constant('drain' as const),
      fc.record({ tag: fc.integer({ min: 1, max: 8 }), multiple: fc.boolean() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), steps => {
        const { log, outbox, push } = setUp()
        let channel = new FakeChannel()
        let acked = new Set<number>()
        const arrived: string[] = []
        outbox.attach(channel.asChannel)
        const ids: string[] = []
        const lose = (lostInTransit: number) => {
          // The broker has a prefix of what was sent, at least up to what it has confirmed.
          const prefix = Math.max(channel.sent.length - lostInTransit, 0, ...acked)
          arrived.push(...channel.sent.slice(0, prefix))
          outbox.detach()
          channel = new FakeChannel()
          acked = new Set()
          outbox.attach(channel.asChannel)
        }
        for (const step of steps) {
          if (step === 'push') {
            ids.push(String(ids.length))
            push(ids.at(-1)!)
          } else if (typeof step === 'object' && 'lostInTransit' in step) lose(step.lostInTransit)
          else if (step === 'block' || step === 'unblock') outbox.setBlocked(step === 'block')
          else if (step === 'fill') channel.full = true
          else if (step === 'drain') {
            channel.full = false
            channel.emit('drain')
          } else if (step.tag <= channel.sent.length && !acked.has(step.tag)) {
            acked.add(step.tag)
            channel.ack(step.tag, step.multiple)
          }
        }
        outbox.setBlocked(false)
        lose(0)
        channel.ack(channel.sent.length, true)
        arrived.push(...channel.sent)
        expect([...new Set(arrived)]).toEqual(ids)
        expect([...log].sort()).toEqual(ids.map(id => `${id} ok`).sort())
        expect(outbox.pending).toBe(0)
      }),
      { numRuns: 500 },
    )
  })
})

describe('an outbox whose lease is lost', () => {
  it('forgets what waits and what is unconfirmed, and sends only what comes behind that', () => {
    const { channel, outbox, push, log } = attached()
    channel.full = true
    push('a')
    push('b')
    expect(channel.sent).toEqual(['a'])
    outbox.abandon()
    expect(outbox.pending).toBe(0)
    push('c')
    const next = new FakeChannel()
    outbox.attach(next.asChannel)
    channel.emit('drain')
    channel.ack(1)
    expect([channel.sent, next.sent, log]).toEqual([['a'], ['c'], []])
    next.ack(1)
    expect(log).toEqual(['c ok'])
  })

  it('ends a search for a culprit that is not there any more', () => {
    const { channel, outbox, push } = attached()
    for (const id of ['a', 'b', 'c']) push(id)
    outbox.detach()
    outbox.probe(3)
    outbox.attach(channel.asChannel)
    outbox.abandon()
    const next = new FakeChannel()
    outbox.attach(next.asChannel)
    for (const id of ['d', 'e']) push(id)
    expect(next.sent).toEqual(['d', 'e'])
  })

  it('writes nothing while it may not: not at once, not when there is room, not over a new channel', () => {
    const { channel, outbox, push } = attached()
    channel.full = true
    push('a')
    push('b')
    let mayPublish = false
    outbox.setGate(() => mayPublish)
    channel.emit('drain')
    push('c')
    outbox.detach()
    const next = new FakeChannel()
    expect(outbox.attach(next.asChannel)).toBe(1)
    expect([channel.sent, next.sent]).toEqual([['a'], []])
    mayPublish = true
    push('d')
    next.emit('drain')
    expect(next.sent).toEqual(['a', 'b', 'c', 'd'])
  })
})
