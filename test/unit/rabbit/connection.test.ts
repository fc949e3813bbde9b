import { EventEmitter } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AmqpConnection, AmqpModule } from '../../../src/rabbit/amqp-types.js'
import { BrokerConnection, connectBroker } from '../../../src/rabbit/connection.js'
import { resolvePublisherOptions } from '../../../src/rabbit/publisher-options.js'

const hooks = { blocked: () => {}, unblocked: () => {}, closed: () => {} }

/** A connection of amqplib with a socket that only notes its end. */
function fakeConnection() {
  const destroy = vi.fn()
  const amqp = Object.assign(new EventEmitter(), {
    connection: { stream: { destroy } },
    close: () => new Promise<void>(() => {}),
  })
  return { amqp: amqp as unknown as AmqpConnection & EventEmitter, destroy }
}

describe('what amqplib leaves open', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('a heartbeat that fails only ends its half of the socket: the rest is destroyed a second later', () => {
    const { amqp, destroy } = fakeConnection()
    new BrokerConnection(amqp, 'host', true, hooks)
    amqp.emit('error', new Error('Heartbeat timeout'))
    amqp.emit('close')
    expect(destroy).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1_000)
    expect(destroy).toHaveBeenCalledOnce()
  })

  it('a close that nobody answers is not waited for, and ends the socket', async () => {
    const { amqp, destroy } = fakeConnection()
    const released = new BrokerConnection(amqp, 'host', true, hooks).release(2_000)
    await vi.advanceTimersByTimeAsync(2_000)
    await released
    expect(destroy).toHaveBeenCalledOnce()
  })

  it('a connection of the user is neither closed nor destroyed', async () => {
    const { amqp, destroy } = fakeConnection()
    await new BrokerConnection(amqp, 'host', false, hooks).release(2_000)
    amqp.emit('close')
    vi.advanceTimersByTime(10_000)
    expect(destroy).not.toHaveBeenCalled()
    expect(amqp.listenerCount('close')).toBe(0)
  })
})

it('connects without Nagle, with keep-alive, and never without a limit on silence', async () => {
  const settings = resolvePublisherOptions({ url: 'amqp://host', connectTimeoutMs: 700 }, Math.random)
  const connect = vi.fn(async () => fakeConnection().amqp)
  const [address] = settings.addresses
  if (!address) throw new Error('No address')
  const amqp = { connect } as unknown as AmqpModule
  await connectBroker(amqp, address, { ...settings }, new AbortController().signal)
  const [target, options] = connect.mock.calls[0] as unknown as [object, object]
  expect(options).toMatchObject({ noDelay: true, keepAlive: true, timeout: 700, signal: expect.any(AbortSignal) })
  expect(target).toMatchObject({ heartbeat: 10 })
})

it('asks amqplib neither for its list of unconfirmed messages nor to wait for them', () => {
  const files = readdirSync('src/rabbit').filter(name => name !== 'amqp-internals.ts')
  const code = files.map(name => readFileSync(`src/rabbit/${name}`, 'utf8').replace(/^\s*(\/\/|\/?\*).*$/gm, ''))
  expect(files.length).toBeGreaterThan(15)
  expect(code.join('\n')).not.toMatch(/waitForConfirms|\.unconfirmed\b(?!,| \})/)
})
