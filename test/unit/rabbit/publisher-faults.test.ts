import { describe, expect, it } from 'vitest'
import { loadAmqp } from '../../../src/rabbit/connection.js'
import { RabbitPublisher } from '../../../src/rabbit/rabbit-publisher.js'
import { FakeBroker } from './fake-broker.js'

const withCode = (message: string, code: string) => Object.assign(new Error(message), { code })
const body = Buffer.from('{}')

describe('opening', () => {
  it('opens no channel when it was given up while the topology was declared', async () => {
    const controller = new AbortController()
    const broker = new FakeBroker({
      closeChannel: async () => {
        controller.abort(new Error('stop'))
      },
      createConfirmChannel: () => Promise.reject(new Error('Channel ended, no reply will be forthcoming')),
    })
    const publisher = new RabbitPublisher({ connection: broker.asConnection, exchange: { name: 'x' } })
    await expect(publisher.open({ signal: controller.signal })).rejects.toThrow('stop')
    expect(broker.confirmChannels).toBe(0)
    await publisher.close()
  })

  it('says what is missing when amqplib is not installed', async () => {
    for (const code of ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']) {
      const missing = loadAmqp(() => Promise.reject(withCode("Cannot find package 'amqplib' imported from /app", code)))
      await expect(missing).rejects.toMatchObject({
        code: 'CDC_OPTION_INVALID',
        hint: 'install amqplib beside this package: npm install amqplib',
      })
    }
    const broken = withCode('Unexpected token', 'ERR_SYNTAX')
    await expect(loadAmqp(() => Promise.reject(broken))).rejects.toBe(broken)
  })
})

describe('a message that comes back changed', () => {
  it('is found by sending one at a time, and nothing is taken for delivered that was not', async () => {
    const broker = new FakeBroker({
      onPublish: ({ channel, deliveryTag, messageId }) => {
        if (messageId === 'lost') {
          const fields = { exchange: '', routingKey: 'changed', replyText: 'NO_ROUTE' }
          channel.emit('return', { fields, properties: { messageId } })
        }
        channel.emit('ack', { deliveryTag, multiple: false })
      },
    })
    const reconnect = { minDelayMs: 1, maxDelayMs: 5 }
    const publisher = new RabbitPublisher({ connection: broker.asConnection, reconnect })
    const reasons: string[] = []
    publisher.on('disconnected', ({ error }) => reasons.push((error as Error).message))
    await publisher.open()
    const ids = ['a', 'lost', 'b', 'lost', 'c']
    const sends = ids.map(messageId => publisher.publish({ body, messageId, routingKey: 'k' }))
    const results = await Promise.allSettled(sends)
    expect(results.map(r => (r.status === 'fulfilled' ? 'ok' : r.reason.code))).toEqual([
      'ok',
      'CDC_UNROUTABLE',
      'ok',
      'CDC_UNROUTABLE',
      'ok',
    ])
    expect(broker.confirmChannels).toBe(2)
    expect(reasons).toEqual([expect.stringContaining('came back that is none of those that were sent')])
    expect(publisher.health()).toMatchObject({ ok: true })
    await publisher.close()
  })
})

describe('code of the user', () => {
  it('never runs inside of callbacks of amqplib, in which a throw would end the connection', async () => {
    const ran: string[] = []
    const ranInside: string[] = []
    const broker = new FakeBroker({
      onPublish: ({ channel, deliveryTag, messageId }) => {
        const before = ran.length
        const fields = { exchange: '', routingKey: 'k', replyText: 'NO_ROUTE' }
        if (messageId === 'lost') channel.emit('return', { fields, properties: { messageId } })
        channel.emit('ack', { deliveryTag, multiple: false })
        broker.emit('blocked', 'low on memory')
        broker.emit('unblocked')
        ranInside.push(...ran.slice(before))
      },
    })
    const publisher = new RabbitPublisher({ connection: broker.asConnection })
    for (const name of ['returned', 'blocked', 'unblocked'] as const) publisher.on(name, () => ran.push(name))
    await publisher.open()
    const sends = ['a', 'lost'].map(messageId => publisher.publish({ body, messageId, routingKey: 'k' }))
    await Promise.all(
      sends.map(sent =>
        sent.then(
          () => ran.push('ok'),
          () => ran.push('rejected'),
        ),
      ),
    )
    expect(new Set(ran)).toEqual(new Set(['returned', 'blocked', 'unblocked', 'ok', 'rejected']))
    expect(ranInside).toEqual([])
    await publisher.close()
  })
})
