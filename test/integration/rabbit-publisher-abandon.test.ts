import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'
import { closePublishers, message, next, type Observer, observe, publisherFor } from './rabbit-publisher-tools.js'
import { unique } from './support/pipelines.js'

const url = inject('amqpUrl')
let observer: Observer
let proxy: TcpProxy

beforeAll(async () => {
  observer = await observe(url)
  proxy = await tcpProxy(Number(new URL(url).port))
})

afterEach(closePublishers)

afterAll(async () => {
  await observer?.close()
  await proxy?.close()
})

function through(queue: string) {
  const way = new URL(url)
  way.port = String(proxy.port)
  return publisherFor({ url: way.href, exchange: { name: `x-${queue}` }, queue: { name: queue } })
}

describe('a publisher that has to forget what is unconfirmed', () => {
  it('sends nothing of it again, and publishes what comes afterwards', async () => {
    const queue = unique('abandon')
    const publisher = through(queue)
    await publisher.open()
    await publisher.publish(message('before'))
    proxy.mode = 'hole' // the broker sees none of it
    let settled = 0
    for (let n = 0; n < 100; n += 1) {
      const tell = (): unknown => (settled += 1)
      publisher.publish(message(`lost ${n}`)).then(tell, tell)
    }
    const back = next(publisher, 'connected')
    publisher.abandon()
    proxy.reset()
    proxy.mode = 'pass'
    expect((await back).resent).toBe(0)
    await publisher.publish(message('after'))
    expect(await observer.take(queue)).toEqual(['before', 'after'])
    expect(settled).toBe(0)
    await observer.channel.deleteQueue(queue)
    await observer.channel.deleteExchange(`x-${queue}`)
  })

  it('writes nothing over a new connection while it may not', async () => {
    const queue = unique('gate')
    const publisher = through(queue)
    let mayPublish = true
    await publisher.open({ mayPublish: () => mayPublish })
    proxy.mode = 'hole'
    for (const id of ['a', 'b']) void publisher.publish(message(id)).catch(() => {})
    mayPublish = false
    const back = next(publisher, 'connected')
    proxy.reset()
    proxy.mode = 'pass'
    await back
    publisher.abandon()
    mayPublish = true
    await publisher.publish(message('c'))
    expect(await observer.take(queue)).toEqual(['c'])
    await observer.channel.deleteQueue(queue)
    await observer.channel.deleteExchange(`x-${queue}`)
  })

  it('has nothing to forget before it is opened and after it is closed', async () => {
    const publisher = through(unique('idle'))
    publisher.abandon()
    await publisher.open()
    await publisher.close()
    publisher.abandon()
    expect(publisher.health().reason).toBe('closed')
  })
})
