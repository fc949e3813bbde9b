import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { CdcError } from '../../../src/errors.js'
import { type RabbitPublisherOptions, resolvePublisherOptions } from '../../../src/rabbit/publisher-options.js'
import { RabbitPublisher } from '../../../src/rabbit/rabbit-publisher.js'
import { applyTopology, routes } from '../../../src/rabbit/topology.js'

const url = 'amqp://user:p%40ss@host/v'
const ownConnection = {
  url: undefined,
  connection: { createChannel: async () => ({}), createConfirmChannel: async () => ({}), on: () => ({}) },
}
const resolve = (options: Partial<RabbitPublisherOptions> = {}) => resolvePublisherOptions({ url, ...options }, () => 0)

describe('publisher options', () => {
  it('has the documented defaults', () => {
    expect(resolve()).toMatchObject({
      confirmTimeoutMs: 30_000,
      connectTimeoutMs: 10_000,
      reconnect: { minDelayMs: 100, maxDelayMs: 30_000 },
      socketOptions: {},
      message: { exchange: '', routingKey: '', persistent: true, mandatory: true, maxMessageBytes: 16_777_216 },
      topology: { mode: 'assert', exchange: undefined, queue: undefined, bindings: [] },
    })
    expect(resolve().addresses[0]?.target.heartbeat).toBe(10)
  })

  it('publishes to the queue itself when there is no exchange', () => {
    const { message, topology } = resolve({ queue: { name: 'q' } })
    expect(message).toMatchObject({ exchange: '', routingKey: 'q' })
    expect(topology.bindings).toEqual([])
  })

  it('binds the queue to the exchange for everything', () => {
    const { message, topology } = resolve({ exchange: { name: 'x' }, queue: { name: 'q' } })
    expect(message).toMatchObject({ exchange: 'x', routingKey: '' })
    expect(topology).toMatchObject({
      exchange: { name: 'x', type: 'topic', durable: true, autoDelete: false, arguments: {} },
      queue: { name: 'q', durable: true, autoDelete: false, arguments: {} },
      bindings: [{ queue: 'q', exchange: 'x', routingKey: '#', arguments: {} }],
    })
  })

  it('makes the bindings that are asked for, and no others', () => {
    const base = { exchange: { name: 'x' }, queue: { name: 'q' } }
    expect(resolve({ ...base, bindings: [] }).topology.bindings).toEqual([])
    expect(resolve({ ...base, bindings: [{ queue: 'other', routingKey: '' }] }).topology.bindings).toEqual([
      { queue: 'other', exchange: 'x', routingKey: '', arguments: {} },
    ])
  })

  it('knows whether declaring again can give a message a queue', () => {
    expect(routes(resolve({ queue: { name: 'q' } }).topology)).toBe(true)
    expect(routes(resolve({ exchange: { name: 'x' } }).topology)).toBe(false)
    expect(routes(resolve({ queue: { name: 'q' }, topology: 'check' }).topology)).toBe(false)
  })

  it('declares, checks, or leaves alone', async () => {
    const calls = async (topology: 'assert' | 'check' | 'none') => {
      const log: string[] = []
      const channel = new Proxy({}, { get: (_, name) => async (first: string) => log.push(`${String(name)} ${first}`) })
      const { topology: plan } = resolve({ exchange: { name: 'x' }, queue: { name: 'q' }, topology })
      await applyTopology(channel as never, plan)
      return log
    }
    expect(await calls('assert')).toEqual(['assertExchange x', 'assertQueue q', 'bindQueue q'])
    expect(await calls('check')).toEqual(['checkExchange x', 'checkQueue q'])
    expect(await calls('none')).toEqual([])
  })

  it.each<[string, unknown, string]>([
    ['no broker', { url: undefined }, '`url`, `urls`, `connection` and `connect`, got none'],
    ['two brokers', { urls: [url] }, 'got 2'],
    ['an empty list', { url: undefined, urls: [] }, '`urls`'],
    ['a bad URL in a list', { url: undefined, urls: [url, 'x'] }, '`urls[1]`'],
    ['a connection that is none', { url: undefined, connection: {} }, '`connection`'],
    ['a way to connect that is none', { url: undefined, connect: 'amqp' }, '`connect`'],
    ['two ways to connect', { connect: async () => ({}) }, 'got 2'],
    ['TLS options for a URL without TLS', { tls: { ca: 'x' } }, '`tls`'],
    ['TLS options that are none', { url: 'amqps://h', tls: 'ca' }, '`tls`'],
    ['TLS options beside a way to connect', { url: undefined, connect: async () => ({}), tls: {} }, '`tls`'],
    ['credentials beside a connection', { ...ownConnection, credentials: { username: 'u', password: 'p' } }, '`url`'],
    ['a log-in by certificate without TLS', { credentials: 'external' }, '`credentials: "external"`'],
    ['another word for credentials', { url: 'amqps://h', credentials: 'plain' }, '`credentials`'],
    ['credentials without a user', { credentials: { password: 's3cret' } }, '`credentials.username`'],
    ['credentials without a password', { credentials: { username: 'u' } }, '`credentials.password`'],
    ['credentials that hold a zero byte', { credentials: { username: 'u\0', password: 's3cret' } }, '`credentials`'],
    ['another deduplication', { deduplication: 'exchange' }, '`deduplication`'],
    ['an empty deduplication header', { deduplicationHeader: '' }, '`deduplicationHeader`'],
    ['deduplication without its header', { deduplication: 'queue', deduplicationHeader: false }, 'deduplicationHeader'],
    ['an unknown option', { confirmTimeout: 1 }, '`confirmTimeout`'],
    ['an unknown option of the exchange', { exchange: { name: 'x', kind: 'topic' } }, '`kind`'],
    ['an unknown option of the queue', { queue: { name: 'q', exclusive: true } }, '`exclusive`'],
    ['an unknown option of a binding', { bindings: [{ queue: 'q', exchange: 'x', key: '#' }] }, '`key`'],
    ['a type of the queue', { queue: { name: 'q', type: 'quorum' } }, "`arguments: { 'x-queue-type': 'quorum' }`"],
    ['half a character in a name', { queue: { name: 'q\ud83d' } }, '`queue.name` to be well-formed'],
    ['a binding without an exchange', { queue: { name: 'q' }, bindings: [{}] }, '`bindings[0].exchange`'],
    ['an exchange without a name', { exchange: { name: '' } }, '`exchange.name`'],
    ['a queue with a name of 256 bytes', { queue: { name: 'q'.repeat(256) } }, '`queue.name`'],
    ['another topology', { topology: 'create' }, '`topology`'],
    ['a long routing key', { routingKey: 'ä'.repeat(128) }, '`routingKey`'],
    ['mandatory as a number', { mandatory: 1 }, '`mandatory`'],
    ['persistent as a string', { persistent: 'yes' }, '`persistent`'],
    ['no confirm time-out', { confirmTimeoutMs: 0 }, '`confirmTimeoutMs`'],
    ['an endless connect time-out', { connectTimeoutMs: Number.POSITIVE_INFINITY }, '`connectTimeoutMs`'],
    ['a heartbeat of 0', { heartbeatMs: 0 }, '`heartbeatMs`'],
    ['a message limit over that of RabbitMQ', { maxMessageBytes: 2 ** 30 }, '`maxMessageBytes`'],
    ['a back-off the wrong way round', { reconnect: { minDelayMs: 10, maxDelayMs: 5 } }, '`reconnect.maxDelayMs`'],
    ['an unknown option of the back-off', { reconnect: { delayMs: 1 } }, '`delayMs`'],
  ])('refuses %s', (_, options, text) => {
    const make = () => new RabbitPublisher({ url, ...(options as object) } as RabbitPublisherOptions)
    expect(make).toThrow(CdcError)
    expect(make).toThrow(text)
  })

  it('shows no password when the publisher is inspected', () => {
    const publishers = [
      new RabbitPublisher({ urls: [url, 'amqps://user:s3cret@other'] }),
      new RabbitPublisher({ url, credentials: { username: 'u', password: 's3cret' } }),
      new RabbitPublisher({ url: 'amqps://h', tls: { key: 's3cret', passphrase: 's3cret' }, credentials: 'external' }),
    ]
    const shown = inspect(publishers, { depth: 9, showHidden: true, getters: true }) + JSON.stringify(publishers)
    expect(shown).not.toMatch(/p@ss|p%40ss|s3cret/)
  })

  it('sends the message id as a header where that is asked for', () => {
    expect(resolve().message.deduplicationHeader).toBeUndefined()
    expect(resolve({ deduplicationHeader: true }).message.deduplicationHeader).toBe('x-deduplication-header')
    expect(resolve({ deduplicationHeader: 'x-id' }).message.deduplicationHeader).toBe('x-id')
    expect(resolve({ deduplication: 'queue' })).toMatchObject({
      nackIsCopy: true,
      message: { deduplicationHeader: 'x-deduplication-header' },
    })
  })

  it('knows the user of the log-in where that is the same at each connect', () => {
    const login = (options: Partial<RabbitPublisherOptions>) => resolve(options).message.login
    expect(login({})).toBe('user')
    expect(login({ credentials: { username: 'own', password: 'p' } })).toBe('own')
    expect(login({ credentials: () => ({ username: 'own', password: 'p' }) })).toBeUndefined()
    expect(login({ url: 'amqps://h', credentials: 'external' })).toBeUndefined()
    expect(login({ socketOptions: { credentials: {} } })).toBeUndefined()
    expect(login({ url: undefined as never, urls: [url, 'amqp://other@h'] })).toBeUndefined()
    expect(login(ownConnection as never)).toBeUndefined()
  })

  it('refuses to publish before open and after close', async () => {
    const publisher = new RabbitPublisher({ url })
    const body = Buffer.from('x')
    await expect(publisher.publish({ body })).rejects.toMatchObject({ code: 'CDC_STATE_INVALID' })
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'connecting' })
    const first = publisher.close()
    expect(publisher.close()).toBe(first)
    await first
    await expect(publisher.publish({ body })).rejects.toMatchObject({ code: 'CDC_PUBLISHER_CLOSED' })
    await expect(publisher.open()).rejects.toMatchObject({ code: 'CDC_PUBLISHER_CLOSED' })
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'closed' })
  })

  it('counts body and headers', () => {
    const publisher = new RabbitPublisher({ url })
    const plain = publisher.sizeOf({ body: Buffer.alloc(10) })
    expect(plain).toBeGreaterThanOrEqual(10)
    expect(publisher.sizeOf({ body: Buffer.alloc(10), headers: { a: 'xx' } })).toBe(plain + 9)
  })
})
