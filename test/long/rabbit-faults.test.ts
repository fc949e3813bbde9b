import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import {
  createCdcPipeline,
  memoryCheckpointStore,
  type RabbitMessage,
  RabbitPublisher,
  type RabbitPublisherOptions,
} from '../../src/index.js'
import { arraySource } from '../../src/testing/index.js'
import { firstArrivals, message, note, told } from '../integration/rabbit-publisher-tools.js'
import { type AmqpProxy, amqpProxy } from '../integration/support/amqp-proxy.js'
import { LanesOfMessages } from '../integration/support/lanes-of-messages.js'
import { observeAgain, observer, rabbit, startBroker, stopBroker, vhost } from '../integration/support/own-broker.js'
import { inState, until } from '../integration/support/waiting.js'

// Nothing here has shorter times than it is delivered with.
let proxy: AmqpProxy
let publisher: RabbitPublisher | undefined

beforeAll(async () => {
  await startBroker()
  proxy = await amqpProxy(vhost.url)
})

afterEach(async () => {
  await publisher?.close({ drainTimeoutMs: 0 })
})

afterAll(async () => {
  await proxy?.close()
  await stopBroker()
})

async function opened(queue: string, more: Partial<RabbitPublisherOptions> = {}): Promise<RabbitPublisher> {
  publisher = new RabbitPublisher({ url: proxy.url, queue: { name: queue }, ...more })
  for (const name of ['retry', 'disconnected', 'confirmTimeout', 'blocked'] as const) {
    publisher.on(name, (payload: unknown) => note(name, payload))
  }
  await publisher.open()
  return publisher
}

/** The time itself is what is tested here. */
const pass = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

it('confirms that do not come for 40 s, and then come back, cost one copy of each and one more', async () => {
  await observer.channel.assertQueue('forty')
  // With "none" nobody asks the queue, which doesn't answer, whether it is there.
  const publisher = await opened('forty', { topology: 'none' })
  await publisher.publish(message('before', { routingKey: 'forty' }))
  let timeouts = 0
  publisher.on('confirmTimeout', () => {
    timeouts += 1
  })
  const queue = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${vhost.name}">>, queue, <<"forty">>))`
  await rabbit.rabbitmqctl('eval', `${queue}, sys:suspend(amqqueue:get_pid(Q)).`)
  const ids = Array.from({ length: 1_000 }, (_, i) => `m${i}`)
  const sends = Promise.all(ids.map(id => publisher.publish(message(id, { routingKey: 'forty' }))))
  await pass(40_000)
  await rabbit.rabbitmqctl('eval', `${queue}, sys:resume(amqqueue:get_pid(Q)).`)
  await sends
  const arrived = await observer.take('forty')
  expect(timeouts).toBe(1)
  expect(firstArrivals(arrived)).toEqual(['before', ...ids])
  expect(arrived.length).toBeLessThanOrEqual(1 + 2 * ids.length + timeouts)
})

it('a broker that is frozen for 40 s is noticed by heartbeats as they are by default, and gets one copy of each', async () => {
  const publisher = await opened('frozen')
  await publisher.publish(message('before', { routingKey: 'frozen' }))
  const since = performance.now()
  const lost = new Promise<number>(resolve => publisher.once('disconnected', () => resolve(performance.now() - since)))
  rabbit.pause()
  const ids = Array.from({ length: 500 }, (_, i) => `m${i}`)
  const sends = Promise.all(ids.map(id => publisher.publish(message(id, { routingKey: 'frozen' }))))
  try {
    // Two to three times 10 s.
    expect(await lost).toBeLessThan(35_000)
    await pass(Math.max(0, 40_000 - (performance.now() - since)))
  } finally {
    rabbit.resume()
  }
  await sends
  // Its connection was frozen too.
  await observeAgain()
  const arrived = await observer.take('frozen')
  expect(firstArrivals(arrived)).toEqual(['before', ...ids])
  expect(arrived.length).toBeLessThanOrEqual(1 + 2 * ids.length)
})

it('a broker that blocks for minutes stops the reading: memory stays flat, no time-out runs, nothing is lost', async () => {
  const [total, bytes] = [3_000, 20_000]
  const sink = await opened('blocked')
  const events = arraySource(Array.from({ length: total }, (_, i) => i))
  let timeouts = 0
  sink.on('confirmTimeout', () => {
    timeouts += 1
  })
  const blocked = new Promise(resolve => sink.once('blocked', resolve))
  await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1000')
  const pipeline = createCdcPipeline({
    ...{ name: 'blocked', source: events, sink, checkpointStore: memoryCheckpointStore(), maxInFlight: 500 },
    transform: (n: number): RabbitMessage => ({ body: Buffer.alloc(bytes, String(n)), messageId: `m${n}` }),
  })
  await pipeline.start()
  await blocked
  await inState(pipeline, 'degraded', 'blocked')
  const { read } = pipeline.stats()
  const before = process.memoryUsage().rss
  const growth: number[] = []
  for (let half = 0; half < 5; half++) {
    await pass(30_000)
    growth.push(process.memoryUsage().rss - before)
  }
  expect(pipeline.stats()).toMatchObject({ read, state: 'degraded', failed: 0 })
  expect(Math.max(...growth)).toBeLessThan(40 * 2 ** 20)
  expect(timeouts).toBe(0)
  expect(pipeline.stats().lagMs).toBeGreaterThan(140_000)
  await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '512MiB')
  await pipeline.done
  const ids = Array.from({ length: total }, (_, i) => `m${i}`)
  expect(await observer.take('blocked')).toEqual(ids)
})

it('lanes of messages are in order and without a copy when the broker blocks for 30 s in between', async () => {
  const publisher = await opened('lanes')
  const lanes = new LanesOfMessages(50, 'lanes')
  let unblocked = false
  publisher.on('unblocked', () => {
    unblocked = true
  })
  const sending = lanes.publish(publisher, () => unblocked && lanes.confirmed.size > 2_000)
  await until(
    () => lanes.confirmed.size > 500,
    () => 'some confirms',
  )
  await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1000')
  await until(
    () => publisher.health().reason === 'blocked',
    () => 'a blocked connection',
  )
  const { size } = lanes.confirmed
  await pass(30_000)
  expect(lanes.confirmed.size).toBe(size)
  await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '512MiB')
  await sending
  expect(lanes.judge(await observer.take('lanes'))).toEqual({ missing: [], disordered: [], copies: 0 })
})

it('a hole in the network is noticed by heartbeats as they are by default', async () => {
  const publisher = await opened('hole')
  const since = performance.now()
  const lost = new Promise<number>(resolve => publisher.once('disconnected', () => resolve(performance.now() - since)))
  proxy.silent = true
  const sent = publisher.publish(message('a', { routingKey: 'hole' }))
  expect(await lost).toBeLessThan(35_000)
  expect(publisher.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
  proxy.silent = false
  await sent
  expect(await observer.take('hole')).toEqual(['a'])
})

it('a broker that is stopped and started (stop_app, start_app) is waited for', async () => {
  const publisher = await opened('stopped')
  const codes: unknown[] = []
  publisher.on('disconnected', ({ error }) => codes.push((error as { code?: unknown }).code))
  publisher.on('retry', ({ error }) => codes.push((error as { code?: unknown }).code))
  await rabbit.rabbitmqctl('stop_app')
  const sent = publisher.publish(message('a', { routingKey: 'stopped' }))
  await until(
    () => codes.includes('CDC_BROKER_UNAVAILABLE'),
    () => 'an attempt that failed',
  )
  // CONNECTION_FORCED: amqplib tells no error over it.
  expect(codes[0]).toBe(320)
  await rabbit.rabbitmqctl('start_app')
  await sent
  await observeAgain()
  expect(await observer.take('stopped')).toEqual(['a'])
})

it('has told no password to anybody', () => {
  expect(told.length).toBeGreaterThan(5)
  expect(told.join('\n')).not.toMatch(/guest:guest/)
})
