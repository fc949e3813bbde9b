import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type RabbitService,
  type RabbitVhost,
  startRabbit,
  type TcpProxy,
  tcpProxy,
} from '../../scripts/services/index.mjs'
import {
  type CdcErrorCode,
  createCdcPipeline,
  isCdcError,
  memoryCheckpointStore,
  type PublisherEvents,
  type RabbitMessage,
} from '../../src/index.js'
import type { RabbitPublisher } from '../../src/rabbit/rabbit-publisher.js'
import { arraySource } from '../../src/testing/index.js'
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
import { inState, until } from './support/waiting.js'
import { queuesWrittenDown } from './support/written-down.js'

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

async function arrivals(queue: string, url: string = vhost.url): Promise<string[]> {
  const observer: Observer = await observe(url)
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

/** The error of the first attempt to connect that failed with this code. */
function failedWith(publisher: RabbitPublisher, code: CdcErrorCode): Promise<unknown> {
  return new Promise(resolve => {
    publisher.on('retry', ({ error }) => isCdcError(error) && error.code === code && resolve(error))
  })
}

describe('a lost connection', () => {
  it('costs nothing but duplicates of what was in flight, when the broker closes it', async () => {
    const publisher = await opened('forced')
    const lost = next(publisher, 'disconnected')
    let unconfirmed = 0
    // The broker's list of connections, which it closes by, lags behind.
    const closeAll = `F = fun F() -> case rabbit_connection_tracking:list(<<"${vhost.name}">>) of
      [] -> timer:sleep(10), F();
      All -> [rabbit_networking:close_connection(element(6, C), "injected") || C <- All] end end, F().`
    const close = async () => {
      const closing = rabbit.rabbitmqctl('eval', closeAll)
      unconfirmed = (await lost).unconfirmed
      await closing
    }
    const ids = await publishMany(publisher, 1_500, { during: { 700: close } })
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

/** A pipeline of numbers to a queue of its own, on a connection of its own. */
function numbersTo(queue: string, count: number) {
  const reconnect = { minDelayMs: 100, maxDelayMs: 1_000 }
  const sink = publisherFor({ url: vhost.url, queue: { name: queue }, reconnect })
  const numbers = Array.from({ length: count }, (_, n) => n)
  const source = arraySource(numbers, { keepOpen: true })
  const retries: Parameters<PublisherEvents['retry']>[0][] = []
  sink.on('retry', retry => retries.push(retry))
  const transform = (n: number): RabbitMessage => ({ body: Buffer.from(String(n)), messageId: `m${n}` })
  const checkpointStore = memoryCheckpointStore()
  const pipeline = createCdcPipeline({ name: queue, source, transform, sink, checkpointStore })
  return { queue, source, pipeline, retries }
}

describe('a broker', () => {
  it('that crashes and comes back heals a publisher, and many pipelines without a storm: nobody is in step', async () => {
    const all = Array.from({ length: 12 }, (_, i) => numbersTo(`storm${i}`, 40))
    const published = (count: number) => (): boolean =>
      all.every(({ pipeline }) => pipeline.stats().published === count)
    try {
      const publisher = await opened('crash')
      await Promise.all(all.map(({ pipeline }) => pipeline.start()))
      await until(published(40), () => 'the first numbers')
      await queuesWrittenDown(rabbit)
      const retried = next(publisher, 'retry')
      const ids = publishMany(publisher, 2_000, { during: { 500: () => rabbit.kill() } })
      await retried
      expect(publisher.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
      await Promise.all(all.map(({ pipeline }) => inState(pipeline, 'degraded', 'reconnecting')))
      for (const { source } of all) source.push(...Array.from({ length: 40 }, (_, i) => 40 + i))
      const back = next(publisher, 'connected')
      await rabbit.restart()
      expect((await back).resent).toBeGreaterThan(0)
      const expected = await ids
      expect(firstArrivals(await arrivals('crash'))).toEqual(expected)
      await until(published(80), () => 'all numbers')
      expect(all.map(({ pipeline }) => pipeline.state)).toEqual(all.map(() => 'running'))
      for (const { queue } of all) {
        expect(firstArrivals(await arrivals(queue))).toEqual(Array.from({ length: 80 }, (_, n) => `m${n}`))
      }
      // Full jitter, from the first attempt on: twelve that lost the broker in one moment come back in many.
      for (const attempt of [0, 1, 2]) {
        expect(new Set(all.map(({ retries }) => retries[attempt]?.delayMs)).size).toBeGreaterThan(5)
      }
      for (const { attempt, delayMs } of all.flatMap(({ retries }) => retries)) {
        expect(delayMs).toBeGreaterThanOrEqual(50)
        expect(delayMs).toBeLessThanOrEqual(Math.min(100 * 2 ** (attempt - 1), 1_000))
      }
    } finally {
      await Promise.all(all.map(({ pipeline }) => pipeline.stop({ drainTimeoutMs: 0 })))
    }
  }, 120_000)

  it('that takes no new connections as its listeners are suspended serves those that stand, and is waited for', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('suspended', {}, url)
    await rabbit.rabbitmqctl('suspend_listeners')
    await publisher.publish(message('a'))
    const refused = failedWith(publisher, 'CDC_BROKER_UNAVAILABLE')
    proxy.reset()
    const late = publisher.publish(message('b'))
    try {
      expect(await refused).toMatchObject({ retryable: true })
    } finally {
      await rabbit.rabbitmqctl('resume_listeners')
    }
    await late
    expect(await arrivals('suspended')).toEqual(['a', 'b'])
  })

  it('that is frozen (SIGSTOP) is given up by heartbeats; what it does late is a copy', async () => {
    const publisher = await opened('frozen', { heartbeatMs: 1_000, connectTimeoutMs: 500 })
    await publisher.publish(message('before'))
    const lost = next(publisher, 'disconnected')
    rabbit.pause()
    const ids = Array.from({ length: 100 }, (_, i) => `m${i}`)
    const sends = Promise.all(ids.map(id => publisher.publish(message(id))))
    try {
      expect((await lost).unconfirmed).toBe(100)
      await failedWith(publisher, 'CDC_BROKER_UNAVAILABLE')
      expect(publisher.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
    } finally {
      rabbit.resume()
    }
    await sends
    const arrived = await arrivals('frozen')
    expect(firstArrivals(arrived)).toEqual(['before', ...ids])
    expect(arrived.length).toBeLessThanOrEqual(1 + 2 * ids.length)
  })
})

describe('a virtual host', () => {
  it('that takes no more connections is asked again until it does', async () => {
    const { proxy, url } = await throughProxy()
    const publisher = await opened('limit', {}, url)
    await rabbit.rabbitmqctl('set_vhost_limits', '-p', vhost.name, '{"max-connections":0}')
    const refused = failedWith(publisher, 'CDC_BROKER_VHOST_MISSING')
    proxy.reset()
    expect(await refused).toMatchObject({ hint: expect.stringContaining('limit') })
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
    const sent = publisher.publish(message('a'))
    await rabbit.rabbitmqctl('clear_vhost_limits', '-p', vhost.name)
    await sent
    expect(await arrivals('limit')).toEqual(['a'])
  })

  it('that is deleted and made again gets everything that was unconfirmed', async () => {
    const own = await rabbit.vhost()
    const publisher = await opened('reborn', {}, own.url)
    await publisher.publish(message('gone'))
    const refused = failedWith(publisher, 'CDC_BROKER_VHOST_MISSING')
    await own.remove()
    await refused
    const sends = Promise.all(['a', 'b'].map(id => publisher.publish(message(id))))
    await rabbit.vhost(own.name)
    await sends
    expect(publisher.health()).toMatchObject({ ok: true })
    // What it had confirmed before went with it.
    expect(await arrivals('reborn', own.url)).toEqual(['a', 'b'])
  })
})

describe('a quorum queue', () => {
  it('whose limit is lifted is sent to again, though RabbitMQ goes on refusing on the same channel', async () => {
    const queue = { name: 'full', arguments: { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish' } }
    const publisher = await opened('full', { queue, confirmTimeoutMs: 300 })
    const outcome = async (id: string): Promise<unknown> =>
      await publisher.publish(message(id)).then(
        () => 'sent',
        error => error.code,
      )
    await rabbit.rabbitmqctl('set_policy', '-p', vhost.name, 'full', '^full$', '{"max-length":1}')
    await until(
      async () => (await outcome('a')) === 'CDC_NACKED',
      () => 'a nack',
    )
    await rabbit.rabbitmqctl('clear_policy', '-p', vhost.name, 'full')
    expect(await outcome('still')).toBe('CDC_NACKED')
    const replaced = next(publisher, 'connected')
    await until(
      async () => (await outcome('again')) === 'sent',
      () => 'a message that is taken',
    )
    await replaced
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
    // Until the broker has said so, a slow confirm counts as ever.
    publisher.once('blocked', () => {
      timeouts = 0
    })
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

  it('blocks the publisher alike without disk space (disk alarm)', async () => {
    const publisher = await opened('disk')
    const blocked = next(publisher, 'blocked')
    await rabbit.rabbitmqctl('set_disk_free_limit', '1000000000000000')
    const sent = publisher.publish(message('a'))
    expect((await blocked).reason).toContain('disk')
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'blocked' })
    await rabbit.rabbitmqctl('set_disk_free_limit', '50000000')
    await sent
    expect(await arrivals('disk')).toEqual(['a'])
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
