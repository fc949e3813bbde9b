import { type ChannelModel, connect } from 'amqplib'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import type { BrokerError } from '../../src/errors.js'
import type { RabbitPublisherOptions } from '../../src/rabbit/publisher-options.js'
import type { RabbitPublisher } from '../../src/rabbit/rabbit-publisher.js'
import {
  closePublishers,
  firstArrivals,
  message,
  next,
  type Observer,
  observe,
  publisherFor,
  publishMany,
  rejection,
  told,
} from './rabbit-publisher-tools.js'
import { type AmqpProxy, amqpProxy } from './support/amqp-proxy.js'
import { unique } from './support/pipelines.js'
import { until } from './support/waiting.js'

let observer: Observer
let proxy: AmqpProxy
let queue: string

beforeAll(async () => {
  observer = await observe(inject('amqpUrl'))
})

afterEach(async () => {
  await closePublishers()
  await observer.channel.deleteQueue(queue)
  await proxy.close()
})

afterAll(() => observer.close())

/** A publisher behind a proxy of its own. */
async function made(more: Partial<RabbitPublisherOptions> = {}): Promise<RabbitPublisher> {
  queue = unique('network')
  proxy = await amqpProxy(inject('amqpUrl'))
  return publisherFor({ url: proxy.url, queue: { name: queue }, routingKey: queue, ...more })
}

async function opened(more: Partial<RabbitPublisherOptions> = {}): Promise<RabbitPublisher> {
  const publisher = await made(more)
  await publisher.open()
  return publisher
}

const toQueue = (id: string, bytes = 10) => message(id, { routingKey: queue, body: Buffer.alloc(bytes) })

describe('a connection', () => {
  it('that the peer half-closes (FIN) is given up, and what was in flight is sent again', async () => {
    const publisher = await opened()
    const lost = next(publisher, 'disconnected')
    const ids = await publishMany(publisher, 1_000, { routingKey: queue, during: { 500: () => proxy.finish() } })
    const { unconfirmed } = await lost
    const arrived = await observer.take(queue)
    expect(firstArrivals(arrived)).toEqual(ids)
    expect(arrived.length - ids.length).toBeLessThanOrEqual(unconfirmed)
    await until(
      () => proxy.open === 1,
      () => `one socket, got ${proxy.open}`,
    )
  })

  it('that is cut after N bytes, in the middle of a frame, costs nothing but copies', async () => {
    const publisher = await made()
    // In the greeting, in the log-in, in the topology, and in the body of the first, the third and the tenth message.
    const cuts = [4, 150, 420, 5_000, 25_000, 95_000]
    const ends: number[] = []
    const cut = (): void => {
      proxy.cutAfter = cuts.shift()
    }
    publisher.on('retry', ({ attempt }) => ends.push(attempt))
    publisher.on('retry', cut)
    cut()
    await publisher.open()
    const ids = Array.from({ length: 20 }, (_, i) => `m${i}`)
    await Promise.all(ids.map(id => publisher.publish(toQueue(id, 10_000))))
    const arrived = await observer.take(queue)
    expect(firstArrivals(arrived)).toEqual(ids)
    expect(ends).toHaveLength(6)
    // Whole messages alone arrive: two of the fifth connection, nine of the sixth.
    expect(arrived.length - ids.length).toBeLessThanOrEqual(2 + 9)
  })

  it('that is taken and gets no answer (handshake stall) is given up in time, and its socket with it', async () => {
    const publisher = await made({ connectTimeoutMs: 200 })
    proxy.accept = 'silently'
    const failed = next(publisher, 'retry')
    const opening = publisher.open()
    expect((await failed).error).toMatchObject({ code: 'CDC_BROKER_UNAVAILABLE', retryable: true })
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'connecting' })
    proxy.accept = 'all'
    await opening
    await publisher.publish(toQueue('a'))
    expect(await observer.take(queue)).toEqual(['a'])
    await until(
      () => proxy.open === 1,
      () => `one socket, got ${proxy.open}`,
    )
  })

  it('that is refused again and again is tried on, and nothing is lost', async () => {
    const publisher = await opened()
    proxy.accept = 'none'
    const attempts: number[] = []
    publisher.on('retry', ({ attempt }) => attempts.push(attempt) === 5 && Object.assign(proxy, { accept: 'all' }))
    const ids = await publishMany(publisher, 200, { routingKey: queue, during: { 100: () => proxy.reset() } })
    expect(firstArrivals(await observer.take(queue))).toEqual(ids)
    expect(attempts.slice(0, 5)).toEqual([1, 2, 3, 4, 5])
    expect(publisher.health()).toMatchObject({ ok: true })
  })
})

it('many publishers that lose the broker in one moment come back one by one (no reconnect storm)', async () => {
  await made()
  const reconnect = { minDelayMs: 200, maxDelayMs: 2_000 }
  const many = Array.from({ length: 20 }, () => publisherFor({ url: proxy.url, queue: { name: queue }, reconnect }))
  await Promise.all(many.map(publisher => publisher.open()))
  await Promise.all(many.map((publisher, i) => publisher.publish(toQueue(`before${i}`))))
  const delays: number[] = []
  const back = Promise.all(
    many.map(async publisher => {
      publisher.once('retry', ({ attempt, delayMs }) => attempt === 1 && delays.push(delayMs))
      await next(publisher, 'connected')
    }),
  )
  proxy.reset()
  await back
  // All were of use before, and all wait nevertheless: from 100 ms on, spread over 100 ms.
  expect(delays).toHaveLength(20)
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(100)
  expect(new Set(delays).size).toBeGreaterThan(9)
  await Promise.all(many.map((publisher, i) => publisher.publish(toQueue(`after${i}`))))
  expect(firstArrivals(await observer.take(queue))).toHaveLength(40)
})

describe('a queue', () => {
  it('that was declared anew with other properties (406) while the connection was away is waited for', async () => {
    const publisher = await opened()
    const mismatch = new Promise(resolve => {
      publisher.on('retry', ({ error }) => (error as BrokerError).code === 'CDC_TOPOLOGY_MISMATCH' && resolve(error))
    })
    await observer.channel.deleteQueue(queue)
    await observer.channel.assertQueue(queue, { maxLength: 5 })
    proxy.reset()
    expect(await mismatch).toMatchObject({ retryable: false, message: expect.stringContaining('x-max-length') })
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'topology' })
    const sent = publisher.publish(toQueue('a'))
    await observer.channel.deleteQueue(queue)
    await sent
    expect(await observer.take(queue)).toEqual(['a'])
    expect(publisher.health()).toMatchObject({ ok: true })
  })
})

describe('confirms that get lost', () => {
  it('cost one copy of each message, and one more per time-out, however long that lasts', async () => {
    const publisher = await opened({ confirmTimeoutMs: 100 })
    proxy.dropConfirms = true
    let timeouts = 0
    const many = new Promise<void>(resolve => {
      publisher.on('confirmTimeout', () => {
        timeouts += 1
        if (timeouts === 4) resolve()
      })
    })
    const ids = Array.from({ length: 300 }, (_, i) => `m${i}`)
    const sends = Promise.all(ids.map(id => publisher.publish(toQueue(id))))
    await many
    proxy.dropConfirms = false
    await sends
    const arrived = await observer.take(queue)
    expect(firstArrivals(arrived)).toEqual(ids)
    expect(arrived.length - ids.length).toBeLessThanOrEqual(ids.length + timeouts)
    expect(arrived.length - ids.length).toBeGreaterThanOrEqual(ids.length)
  })
})

describe('a connection that several publishers share', () => {
  it('is over for all of them when it is lost, each says so, and publishers on a new one go on', async () => {
    queue = unique('shared')
    proxy = await amqpProxy(inject('amqpUrl'))
    const share = async (): Promise<[ChannelModel, RabbitPublisher[]]> => {
      const connection = await connect(proxy.url)
      connection.on('error', () => {})
      const publishers = [1, 2, 3].map(() => publisherFor({ connection, queue: { name: queue } }))
      await Promise.all(publishers.map(publisher => publisher.open()))
      return [connection, publishers]
    }
    const [, lost] = await share()
    const gone = Promise.all(lost.map(publisher => next(publisher, 'disconnected')))
    proxy.reset()
    await gone
    await until(
      () => lost.every(publisher => publisher.health().reason === 'disconnected'),
      () => 'the reason disconnected',
    )
    const pending = lost.map((publisher, i) => rejection(publisher.publish(toQueue(`m${i}`))))
    await Promise.all(lost.map(publisher => publisher.close()))
    expect(await Promise.all(pending)).toMatchObject(lost.map(() => ({ code: 'CDC_PUBLISHER_CLOSED' })))
    const [connection, again] = await share()
    await Promise.all(again.map((publisher, i) => publisher.publish(toQueue(`m${i}`))))
    expect((await observer.take(queue)).sort()).toEqual(['m0', 'm1', 'm2'])
    await closePublishers()
    await connection.close()
  })
})

it('has told no password to anybody', () => {
  expect(told.length).toBeGreaterThan(30)
  expect(told.join('\n')).not.toMatch(/guest:guest/)
})
