import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type RabbitService,
  type RabbitVhost,
  startRabbit,
  type TcpProxy,
  tcpProxy,
} from '../../scripts/services/index.mjs'
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
  told,
} from './rabbit-publisher-tools.js'
import { until } from './support/waiting.js'

// A broker of this file alone: it is killed, and made to run out of memory.
let rabbit: RabbitService
let vhost: RabbitVhost
let proxies: TcpProxy[] = []

beforeAll(async () => {
  rabbit = await startRabbit()
  vhost = await rabbit.vhost()
})

afterEach(async () => {
  await closePublishers()
  await Promise.all(proxies.map(proxy => proxy.close()))
  proxies = []
})

afterAll(async () => {
  await rabbit?.stop()
})

async function throughProxy(): Promise<{ proxy: TcpProxy; url: string }> {
  const proxy = await tcpProxy(rabbit.port)
  proxies.push(proxy)
  return { proxy, url: vhost.url.replace(`:${rabbit.port}`, `:${proxy.port}`) }
}

async function arrivals(queue: string): Promise<string[]> {
  const observer: Observer = await observe(vhost.url)
  try {
    return await observer.take(queue)
  } finally {
    await observer.close()
  }
}

async function opened(queue: string, more: object = {}, url: string = vhost.url): Promise<RabbitPublisher> {
  const publisher = publisherFor({ url, exchange: { name: `x-${queue}` }, queue: { name: queue }, ...more })
  await publisher.open()
  return publisher
}

describe('a lost connection', () => {
  it('costs nothing but duplicates of what was in flight, when the broker closes it', async () => {
    const publisher = await opened('forced')
    const lost = next(publisher, 'disconnected')
    let unconfirmed = 0
    const close = async () => {
      const closing = rabbit.rabbitmqctl('close_all_connections', '--vhost', vhost.name, 'injected')
      unconfirmed = (await lost).unconfirmed
      await closing
    }
    // The broker's list of connections, which it closes by, lags behind.
    const listed = `length(rabbit_connection_tracking:list(<<"${vhost.name}">>)).`
    await until(
      async () => Number(await rabbit.rabbitmqctl('eval', listed)) === 1,
      () => 'the broker to list the connection',
    )
    const ids = await publishMany(publisher, 3_000, { during: { 1000: close } })
    const arrived = await arrivals('forced')
    expect(firstArrivals(arrived)).toEqual(ids)
    expect(arrived.length - ids.length).toBeLessThanOrEqual(Math.max(200, unconfirmed))
    expect(publisher.health()).toMatchObject({ ok: true })
  })

  it('costs nothing but duplicates of what was in flight, when the network resets it again and again', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('reset', {}, url)
    const reset = () => proxy.reset()
    const during = { 200: reset, 500: reset, 501: reset, 900: reset, 1400: reset }
    const ids = await publishMany(publisher, 2_000, { window: 100, during })
    const arrived = await arrivals('reset')
    expect(firstArrivals(arrived)).toEqual(ids)
    expect(arrived.length - ids.length).toBeLessThanOrEqual(5 * 100)
  })

  it('is healed when the broker crashes and comes back', async () => {
    const publisher = await opened('crash')
    // A queue that was declared a moment before the crash can be gone: the broker writes its definitions behind.
    await rabbit.rabbitmqctl('eval', 'mnesia:dump_log(), mnesia:sync_log().')
    const retried = next(publisher, 'retry')
    const ids = publishMany(publisher, 2_000, { during: { 500: () => rabbit.kill() } })
    await retried
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
    const back = next(publisher, 'connected')
    await rabbit.restart()
    expect((await back).resent).toBeGreaterThan(0)
    const expected = await ids
    expect(firstArrivals(await arrivals('crash'))).toEqual(expected)
  })

  it('is noticed by heartbeats when the peer is silent', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('silent', { heartbeatMs: 1_000 }, url)
    proxy.mode = 'hole'
    const lost = await next(publisher, 'disconnected')
    expect((lost.error as Error).message).toMatch(/heartbeat/i)
    proxy.reset()
    proxy.mode = 'pass'
    await publisher.publish(message('a'))
    expect(await arrivals('silent')).toEqual(['a'])
  })

  it('does not hang at close when the peer is silent', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('hang', {}, url)
    proxy.mode = 'hole'
    const pending = publisher.publish(message('a')).catch(error => error.code)
    const started = performance.now()
    await publisher.close({ drainTimeoutMs: 100 })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(await pending).toBe('CDC_PUBLISHER_CLOSED')
  })
})

describe('confirms that do not come', () => {
  it('replace the connection, and everything is sent again', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('replies', { confirmTimeoutMs: 300, connectTimeoutMs: 1_000 }, url)
    await publisher.publish(message('before'))
    proxy.mode = 'drop-replies'
    const sends = Promise.all(['a', 'b', 'c'].map(id => publisher.publish(message(id))))
    const timeout = await next(publisher, 'confirmTimeout')
    expect(timeout).toMatchObject({ unconfirmed: 3 })
    expect(timeout.silentMs).toBeGreaterThanOrEqual(300)
    await next(publisher, 'retry')
    proxy.reset()
    proxy.mode = 'pass'
    await sends
    const arrived = await arrivals('replies')
    expect(firstArrivals(arrived)).toEqual(['before', 'a', 'b', 'c'])
    expect(arrived.length).toBeGreaterThan(4)
  })

  it('only replace the channel when the broker was slow', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('slow', { confirmTimeoutMs: 300, connectTimeoutMs: 20_000 }, url)
    proxy.mode = 'drop-replies'
    const sends = Promise.all(['a', 'b'].map(id => publisher.publish(message(id))))
    await next(publisher, 'confirmTimeout')
    const retries = told.filter(line => line.startsWith('retry')).length
    proxy.mode = 'pass'
    await sends
    expect(firstArrivals(await arrivals('slow'))).toEqual(['a', 'b'])
    // One delay, and no attempt to connect that failed.
    expect(told.filter(line => line.startsWith('retry')).length - retries).toBeLessThanOrEqual(1)
  })
})

describe('a broker without memory', () => {
  it('blocks the publisher, which waits and loses nothing', async () => {
    const publisher = await opened('blocked', { confirmTimeoutMs: 400 })
    let timeouts = 0
    publisher.on('confirmTimeout', () => {
      timeouts += 1
    })
    const blocked = next(publisher, 'blocked')
    await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1000')
    const ids = publishMany(publisher, 500)
    expect((await blocked).reason).toContain('memory')
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'blocked' })
    // What is tested is the time itself: three times the confirm time-out, which must not count now.
    await new Promise(resolve => setTimeout(resolve, 1_200))
    const [before, unblocked] = [timeouts, next(publisher, 'unblocked')]
    await rabbit.rabbitmqctl('set_vm_memory_high_watermark', '0.9')
    expect((await unblocked).blockedMs).toBeGreaterThan(1_000)
    expect(before).toBe(0)
    const expected = await ids
    expect(publisher.health()).toMatchObject({ ok: true })
    expect(firstArrivals(await arrivals('blocked'))).toEqual(expected)
  })

  it('does not hold up the close', async () => {
    const publisher = await opened('blocked-close')
    const blocked = next(publisher, 'blocked')
    await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1000')
    const pending = publisher.publish(message('a')).catch(error => error.code)
    await blocked
    const started = performance.now()
    await publisher.close({ drainTimeoutMs: 50 })
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(await pending).toBe('CDC_PUBLISHER_CLOSED')
    await rabbit.rabbitmqctl('set_vm_memory_high_watermark', '0.9')
  })
})

it('has told no password to anybody', () => {
  expect(told.length).toBeGreaterThan(30)
  expect(told.join('\n')).not.toMatch(/guest:guest/)
})
