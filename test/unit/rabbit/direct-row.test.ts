import { describe, expect, it } from 'vitest'
import { directOf } from '../../../src/direct-publish.js'
import { DirectRow } from '../../../src/rabbit/direct-row.js'
import { RabbitPublisher } from '../../../src/rabbit/rabbit-publisher.js'
import { FakeBroker } from './fake-broker.js'

const wire = { exchange: '', routingKey: 'q', body: Buffer.from('x'), options: {} as never, bytes: 1 }

function setUp() {
  const told: unknown[] = []
  const answers = {
    confirmed: (token: string) => told.push(token),
    refused: (token: string, error: unknown) => told.push([token, error]),
  }
  return { told, row: (token: string) => new DirectRow(wire, answers, token, false), answers }
}

describe('a message without a promise', () => {
  it('is answered by its token, in the order of the answers, when the caller is through', async () => {
    const { told, row } = setUp()
    const error = new Error('no')
    row('a').resolve()
    row('b').reject(error)
    row('c').resolve()
    expect(told).toEqual([])
    await Promise.resolve()
    expect(told).toEqual(['a', ['b', error], 'c'])
  })

  it('is answered after one whose answer threw', async () => {
    const { told, row, answers } = setUp()
    const thrown = new Promise(resolve => process.once('uncaughtException', resolve))
    const listeners = process.listeners('uncaughtException').slice(0, -1)
    for (const listener of listeners) process.off('uncaughtException', listener)
    const bad = new DirectRow(wire, { ...answers, confirmed: () => raise() }, 'bad', false)
    bad.resolve()
    row('next').resolve()
    await thrown
    for (const listener of listeners) process.on('uncaughtException', listener)
    await Promise.resolve()
    expect(told).toEqual(['next'])
  })
})

describe('the publisher without promises', () => {
  const message = { body: Buffer.from('x'), routingKey: 'k' }

  /** What becomes of messages, by promise and directly. */
  async function bothWays(options: { deduplication?: 'queue' }): Promise<[unknown[], unknown[]]> {
    const broker = new FakeBroker({
      onPublish: ({ channel, deliveryTag, messageId }) =>
        channel.emit(messageId === 'full' ? 'nack' : 'ack', { deliveryTag, multiple: false }),
    })
    const publisher = new RabbitPublisher({ connection: broker.asConnection, ...options })
    const reasonOf = (error: unknown): unknown => (error as { reason?: unknown }).reason
    const direct = (given: object, id: string): Promise<unknown> =>
      new Promise(resolve => {
        const answers = { confirmed: resolve, refused: (_: unknown, error: unknown) => resolve(reasonOf(error)) }
        const how = directOf(publisher.publish)
        try {
          how?.publish(publisher, how.prepare(publisher, given, { id }), answers, undefined)
        } catch (error) {
          resolve(reasonOf(error))
        }
      })
    const promised = (given: object, id: string): Promise<unknown> =>
      publisher.publish(given as never, { id }).catch(reasonOf)
    const all = async (publish: typeof direct): Promise<unknown[]> =>
      Promise.all([publish(message, 'a'), publish(message, 'full'), publish({ body: 'x' }, 'b')])
    await publisher.open()
    const results: [unknown[], unknown[]] = [await all(promised), await all(direct)]
    await publisher.close()
    return results
  }

  it.each([{}, { deduplication: 'queue' } as const])('answers as its promises do: %o', async options => {
    const [promised, direct] = await bothWays(options)
    expect(direct).toEqual(promised)
    expect(direct).toEqual([undefined, 'deduplication' in options ? undefined : 'nack', 'invalid'])
  })

  it('is left by whoever replaces or wraps `publish`: that is called then', () => {
    class Counting extends RabbitPublisher {
      override publish(...given: Parameters<RabbitPublisher['publish']>): Promise<void> {
        return super.publish(...given)
      }
    }
    const publisher = new RabbitPublisher({ url: 'amqp://localhost' })
    expect(directOf(publisher.publish)).toBeDefined()
    expect(directOf(new Counting({ url: 'amqp://localhost' }).publish)).toBeUndefined()
    expect(directOf(publisher.publish.bind(publisher))).toBeUndefined()
  })
})

function raise(): never {
  throw new Error('an answer threw')
}
