import { beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest'
import type { QueueOptions } from '../../src/index.js'
import type { RabbitPublisher } from '../../src/rabbit/rabbit-publisher.js'
import { closePublishers, type Observer, observe, publisherFor, told } from './rabbit-publisher-tools.js'
import { type AmqpProxy, amqpProxy } from './support/amqp-proxy.js'
import { LanesOfMessages } from './support/lanes-of-messages.js'
import { unique } from './support/pipelines.js'
import { until } from './support/waiting.js'

// What holds under every fault: nothing is missing that was confirmed, the first arrivals of a lane are in order, the
// copies are bounded by what was in flight, nothing is left behind. Vitest itself ends the run over a rejection that
// nobody hears and an exception that nobody catches.
const LANES = 50
const flawless = { missing: [], disordered: [] }

let observer: Observer
let proxy: AmqpProxy
let queue: string
let lanes: LanesOfMessages
let faults: number
let sockets: number

beforeEach(async () => {
  sockets = openSockets()
  observer = await observe(inject('amqpUrl'))
  proxy = await amqpProxy(inject('amqpUrl'))
  queue = unique('invariants')
  lanes = new LanesOfMessages(LANES, queue)
  faults = 0
})

async function opened(more: object = {}, options: Partial<QueueOptions> = {}): Promise<RabbitPublisher> {
  const publisher = publisherFor({ url: proxy.url, queue: { name: queue, ...options }, ...more })
  await publisher.open()
  return publisher
}

/** Until so many faults have come and so many messages are confirmed. */
const enough = (wanted: number, messages: number) => () => faults >= wanted && lanes.confirmed.size >= messages

/** Ends everything, and sees that nothing is left: no socket, and with it nothing that keeps the process. */
async function arrived(): Promise<string[]> {
  const ids = await observer.take(queue)
  await closePublishers()
  await observer.channel.deleteQueue(queue)
  await observer.close()
  await proxy.close()
  await until(
    () => openSockets() <= sockets,
    () => `${sockets} sockets, got ${openSockets()}`,
  )
  return ids
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter(name => name.startsWith('TCPSocket')).length
}

describe('nothing is lost, out of order or left behind, and copies are bounded', () => {
  it('with a reset every 200 ms', async () => {
    const publisher = await opened()
    // From each connect on, and behind a confirm: a machine that needs longer for either would never get to work.
    const resetBehind = (confirmed: number): void => {
      const timer = setTimeout(() => {
        if (lanes.confirmed.size === confirmed) return resetBehind(confirmed)
        faults += 1
        proxy.reset()
      }, 200)
      onTestFinished(() => clearTimeout(timer))
    }
    const resetSoon = (): void => resetBehind(lanes.confirmed.size)
    publisher.on('connected', resetSoon)
    resetSoon()
    await lanes.publish(publisher, enough(6, 1_000))
    publisher.off('connected', resetSoon)
    const { copies, ...rest } = lanes.judge(await arrived())
    expect(rest).toEqual(flawless)
    expect(copies).toBeLessThanOrEqual(LANES * (faults + 1))
  })

  it('with a hole in the network, in which neither side hears anything', async () => {
    const publisher = await opened({ confirmTimeoutMs: 200, connectTimeoutMs: 200 })
    publisher.on('confirmTimeout', () => {
      faults += 1
      proxy.reset()
      proxy.silent = false
    })
    publisher.on('connected', () => {
      const before = lanes.confirmed.size
      const again = (): boolean => lanes.confirmed.size > before + 200
      void until(again, () => 'confirms').then(() => {
        if (faults < 3) proxy.silent = true
      })
    })
    proxy.silent = true
    await lanes.publish(publisher, enough(3, 500))
    const { copies, ...rest } = lanes.judge(await arrived())
    expect(rest).toEqual(flawless)
    expect(copies).toBeLessThanOrEqual(LANES * faults)
  })

  it('with confirms that get lost', async () => {
    const publisher = await opened({ confirmTimeoutMs: 100 })
    publisher.on('confirmTimeout', () => {
      faults += 1
      proxy.dropConfirms = false
    })
    let dropFrom = 0
    proxy.onFrame = () => {
      if (lanes.confirmed.size < dropFrom || faults >= 4) return
      dropFrom = lanes.confirmed.size + 200
      proxy.dropConfirms = true
    }
    await lanes.publish(publisher, enough(4, 1_000))
    const { copies, ...rest } = lanes.judge(await arrived())
    expect(rest).toEqual(flawless)
    expect(copies).toBeGreaterThan(0)
    expect(copies).toBeLessThanOrEqual((LANES + 1) * faults)
  })

  it('with a message for a missing exchange (404) in every thousand, and no other one is refused', async () => {
    const publisher = await opened()
    let poisoned = 0
    lanes = new LanesOfMessages(LANES, queue, n => n % 1_000 === 500 && Boolean(++poisoned))
    await lanes.publish(publisher, enough(0, 3_500))
    const { copies, ...rest } = lanes.judge(await arrived())
    expect(rest).toEqual(flawless)
    expect(poisoned).toBeGreaterThanOrEqual(3)
    expect([...lanes.refused.values()]).toEqual(Array(poisoned).fill('CDC_MESSAGE_REFUSED'))
    expect(copies).toBeLessThanOrEqual(LANES * poisoned)
  })

  it('with a queue that is full again and again (reject-publish flapping)', async () => {
    const full = { 'x-max-length': 100, 'x-overflow': 'reject-publish' }
    const publisher = await opened({}, { arguments: full })
    const taken: string[] = []
    let emptying: Promise<void> | undefined
    // The first lane that is refused empties the queue, and all of them wait for that.
    const empty = async (): Promise<void> => {
      emptying ??= observer.take(queue).then(ids => {
        taken.push(...ids)
        faults += 1
        emptying = undefined
      })
      await emptying
    }
    await lanes.publish(publisher, enough(5, 500), empty)
    const { copies, ...rest } = lanes.judge([...taken, ...(await arrived())])
    expect({ ...rest, copies }).toEqual({ ...flawless, copies: 0 })
    expect(lanes.nacks).toBeGreaterThanOrEqual(5)
    expect(lanes.refused.size).toBe(0)
  })

  it('when it is closed at any moment, and another one goes on', async () => {
    const moments = [1, 2, 7, 40, 49, 50, 51, 133, 300, 512]
    const ends: string[] = []
    for (const [i, moment] of moments.entries()) {
      const publisher = await opened()
      const before = lanes.confirmed.size
      let closing: Promise<void> | undefined
      await lanes.publish(publisher, () => {
        const due = lanes.confirmed.size - before >= moment
        if (due) closing ??= publisher.close({ drainTimeoutMs: i % 2 === 0 ? 0 : 5_000 })
        return false
      })
      await closing
      ends.push(publisher.health().reason ?? '')
    }
    const { copies, ...rest } = lanes.judge(await arrived())
    expect(rest).toEqual(flawless)
    expect(copies).toBeLessThanOrEqual(LANES * moments.length)
    expect(new Set(ends)).toEqual(new Set(['closed']))
  })

  it('when an AbortSignal ends `open` at any moment, and it is opened again', async () => {
    const publisher = publisherFor({ url: proxy.url, queue: { name: queue } })
    let given = 0
    for (let frame = 0; ; frame++) {
      const controller = new AbortController()
      let seen = 0
      proxy.onFrame = () => {
        if (seen++ === frame) controller.abort(new Error('enough'))
      }
      if (await publisher.open({ signal: controller.signal }).catch(() => 'aborted')) given += 1
      else break
    }
    // Start, tune, open-ok, the topology and the channel: each of these was cut short once.
    expect(given).toBeGreaterThan(6)
    await lanes.publish(publisher, enough(0, 200))
    const result = lanes.judge(await arrived())
    expect(result).toEqual({ ...flawless, copies: 0 })
  })
})

it('has told no password to anybody', () => {
  expect(told.length).toBeGreaterThan(50)
  expect(told.join('\n')).not.toMatch(/guest:guest/)
})
