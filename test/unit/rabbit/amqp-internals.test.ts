import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { AmqpConfirmChannel, AmqpPublishOptions } from '../../../src/rabbit/amqp-types.js'
import { tableBytes } from '../../../src/rabbit/header-check.js'

type Internals = typeof import('../../../src/rabbit/amqp-internals.js')
let publish: (
  channel: AmqpConfirmChannel,
  exchange: string,
  routingKey: string,
  body: Buffer,
  options: AmqpPublishOptions,
) => boolean
let publishRow: Internals['publish']
let trimUnconfirmed: Internals['trimUnconfirmed']

// What is gathered is kept by the module: each test begins with an empty buffer.
beforeEach(async () => {
  vi.resetModules()
  const internals = await import('../../../src/rabbit/amqp-internals.js')
  publishRow = internals.publish
  publish = (channel, exchange, routingKey, body, options) => {
    const bytes = body.length + tableBytes(options.headers)
    return internals.publish(channel, { exchange, routingKey, body, options, bytes })
  }
  trimUnconfirmed = internals.trimUnconfirmed
})

const require = createRequire(import.meta.url)
// By path: the package exports none of its insides.
const lib = join(dirname(require.resolve('amqplib')), 'lib')
const { Connection } = require(join(lib, 'connection.js'))
const { ConfirmChannel } = require(join(lib, 'channel_model.js'))
const { Mux } = require(join(lib, 'mux.js'))

/** A confirm channel of the real amqplib on a connection without a server, and what it has written. */
function realChannel() {
  const connection = new Connection(new PassThrough())
  const written: Buffer[] = []
  connection.frameMax = 131_072
  connection.channels[1] = { buffer: { write: (bytes: Buffer) => written.push(bytes) > 0 } }
  const channel = new ConfirmChannel(connection)
  channel.ch = 1
  return { channel, written, bytes: () => Buffer.concat(written).toString('hex') }
}

const options = {
  mandatory: true,
  deliveryMode: 2,
  messageId: 'id-1',
  contentType: 'application/json',
  contentEncoding: undefined,
  timestamp: 1_700_000_000,
  type: 'insert',
  priority: 3,
  expiration: '1000',
  correlationId: 'c',
  replyTo: undefined,
  appId: 'app',
  userId: undefined,
  headers: { 'x-cdc-operation': 'insert', n: 7, nested: { list: ['a', null, true] }, CC: ['x'] },
} as const

describe('the short way into amqplib', () => {
  it.each([0, 1_000, 200_000])('sends the same bytes as its publish for a body of %i bytes', async size => {
    const [ours, theirs] = [realChannel(), realChannel()]
    const body = Buffer.alloc(size, 7)
    expect(publish(ours.channel, 'cdc', 'a.b', body, options)).toBe(true)
    theirs.channel.publish('cdc', 'a.b', body, options)
    await turn()
    expect(ours.bytes()).toBe(theirs.bytes())
    expect(ours.channel.unconfirmed).toEqual(theirs.channel.unconfirmed)
  })

  it('falls back to publish where amqplib has other insides', () => {
    const calls: unknown[][] = []
    const channel = { publish: (...given: unknown[]) => calls.push(given) > 1 } as unknown as AmqpConfirmChannel
    const body = Buffer.from('x')
    expect(publish(channel, 'cdc', 'a.b', body, options)).toBe(false)
    expect(calls).toEqual([['cdc', 'a.b', body, options]])
  })

  it('finds all its insides in the installed amqplib: whoever updates it hears of it here', () => {
    const { channel } = realChannel()
    expect(typeof channel.sendMessage).toBe('function')
    expect(typeof channel.pushConfirmCallback).toBe('function')
    expect(typeof channel.connection.channels[1].buffer.write).toBe('function')
    expect('sentSinceLastCheck' in channel.connection).toBe(true)
    expect(typeof Mux.prototype._readIncoming).toBe('function')
    expect([Array.isArray(channel.unconfirmed), typeof channel.lwm]).toEqual([true, 'number'])
  })

  it('finds a stream for the queue of a channel: it tells when it is full', () => {
    const connection = new Connection(new PassThrough())
    connection.channelMax = 10
    const channel = new ConfirmChannel(connection).allocate()
    expect(connection.channels[channel.ch].buffer).toBeInstanceOf(PassThrough)
    expect(connection.channels[channel.ch].buffer.writableNeedDrain).toBe(false)
  })
})

/** Texts that AMQP's short strings take. */
const short = fc.string({ unit: 'grapheme', maxLength: 40 }).filter(text => Buffer.byteLength(text) <= 255)
/** `!` names a wire type in amqplib's tables: the publisher refuses it. */
const name = short.filter(text => text !== '!' && text !== '__proto__')
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const value = fc.letrec(tie => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    // Not the fractions beyond 2^50, at which amqplib throws.
    fc.double({ noNaN: true, min: -(2 ** 63), max: 2 ** 70 }).map(n => (Math.abs(n) < 2 ** 50 ? n : Math.trunc(n))),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
    fc.integer({ min: -40_000, max: 40_000 }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(name, tie('any'), { maxKeys: 3 }),
  ),
})).any
const messages = fc.record({
  exchange: short,
  routingKey: short,
  body: fc.nat(40_000).map(size => Buffer.alloc(size, 7)),
  options: fc.record({
    mandatory: fc.boolean(),
    deliveryMode: fc.constantFrom(1, 2) as fc.Arbitrary<1 | 2>,
    messageId: short,
    contentType: maybe(short),
    contentEncoding: maybe(short),
    timestamp: maybe(fc.nat({ max: 253_402_300_799 })),
    type: maybe(short),
    priority: maybe(fc.nat({ max: 255 })),
    expiration: maybe(fc.nat().map(String)),
    correlationId: maybe(short),
    replyTo: maybe(short),
    appId: maybe(short),
    userId: maybe(short),
    headers: fc.dictionary(name, value, { maxKeys: 6 }),
  }),
})

describe('frames of our own', () => {
  it('are to the byte those of amqplib, for every message', async () => {
    const same = fc.asyncProperty(fc.array(messages, { maxLength: 3 }), async list => {
      const [ours, theirs] = [realChannel(), realChannel()]
      for (const { exchange, routingKey, body, options } of list) {
        publish(ours.channel, exchange, routingKey, body, options)
        theirs.channel.publish(exchange, routingKey, body, options)
      }
      await turn()
      expect(ours.bytes()).toBe(theirs.bytes())
    })
    await expect(fc.assert(same, { numRuns: 2_000 })).resolves.toBeUndefined()
  }, 60_000)

  it('are those of amqplib where messages differ in little from the one before', async () => {
    const text = fc.constantFrom(
      '',
      'a',
      'b',
      'ä',
      'aa',
      'ab',
      'aä',
      'äb',
      'x'.repeat(70),
      'y'.repeat(70),
      1,
      2,
      300,
      true,
      null,
    )
    const headers = fc.record({ one: text, naïve: text, two: text }, { requiredKeys: ['one'] })
    const list = fc.array(headers, { minLength: 2, maxLength: 40 })
    const same = fc.asyncProperty(list, fc.boolean(), async (list, large) => {
      const [ours, theirs] = [realChannel(), realChannel()]
      const body = Buffer.alloc(large ? 10_000 : 10)
      for (const headers of list) {
        publish(ours.channel, 'cdc', 'a.b', body, { ...options, headers })
        theirs.channel.publish('cdc', 'a.b', body, { ...options, headers })
      }
      await turn()
      expect(ours.bytes()).toBe(theirs.bytes())
    })
    await expect(fc.assert(same, { numRuns: 1_000 })).resolves.toBeUndefined()
  })

  it('refuse a message that has grown since it was checked, and are right for the next one', async () => {
    const [ours, theirs] = [realChannel(), realChannel()]
    const list = [1]
    const grown = { ...options, headers: { one: 1, list } }
    const small = { ...options, headers: { one: 1 } }
    const bytes = tableBytes(grown.headers)
    for (let i = 0; i < 200_000; i++) list.push(1)
    const message = { exchange: 'cdc', routingKey: 'a.b', body: Buffer.alloc(0) }
    expect(() => publishRow(ours.channel, { ...message, options: grown, bytes })).toThrow(RangeError)
    for (let i = 0; i < 2; i++) {
      publish(ours.channel, 'cdc', 'a.b', message.body, small)
      theirs.channel.publish('cdc', 'a.b', message.body, small)
    }
    await turn()
    expect(ours.bytes()).toBe(theirs.bytes())
  })

  it('carry a fraction beyond 2^50, at which amqplib throws', async () => {
    const { channel, bytes } = realChannel()
    const headers = { n: 2 ** 51 + 0.5 }
    publish(channel, '', 'q', Buffer.from('x'), { ...options, headers })
    await turn()
    const double = Buffer.alloc(8)
    double.writeDoubleBE(headers.n)
    expect(bytes()).toContain(`016e64${double.toString('hex')}`)
  })

  it('are not written to a channel or a connection that closes: amqplib throws as it always does', () => {
    for (const closing of ['channel', 'connection'] as const) {
      const { channel, bytes } = realChannel()
      const target = closing === 'channel' ? channel : channel.connection
      target.sendMessage = () => {
        throw Object.assign(new Error('Channel closing'), { name: 'IllegalOperationError' })
      }
      expect(() => publish(channel, 'cdc', 'a.b', Buffer.from('x'), options)).toThrow('Channel closing')
      expect([bytes(), channel.unconfirmed]).toEqual(['', []])
    }
  })

  it('go out in one buffer per turn, each channel its own, before whatever amqplib writes by itself', async () => {
    const [one, other] = [realChannel(), realChannel()]
    const body = Buffer.from('x')
    for (let i = 0; i < 100; i++) publish(one.channel, 'cdc', 'a.b', body, options)
    expect(one.written).toHaveLength(0)
    publish(other.channel, 'cdc', 'a.b', body, options)
    expect(one.written).toHaveLength(1)
    const before = one.bytes().length
    publish(one.channel, 'cdc', 'a.b', body, options)
    publish(one.channel, 'cdc', 'a.b', Buffer.alloc(200_000), options)
    await turn()
    expect(one.bytes().slice(0, before / 100)).toBe(other.bytes())
    expect(one.bytes().slice(before, before + before / 100)).toBe(other.bytes())
    expect([one.written.length, other.written.length]).toEqual([5, 1]) // the large one: its head and two body frames
  })

  it('go out when they fill a buffer, long before the turn is over', () => {
    const { channel, written } = realChannel()
    const messages = Array.from({ length: 100 }, (_, i) => Buffer.alloc(10_000, i))
    for (const body of messages) publish(channel, 'cdc', 'a.b', body, options)
    expect(written.length).toBeGreaterThan(10)
    expect(Math.max(...written.map(bytes => bytes.length))).toBeLessThanOrEqual(65_536)
  })

  it('hold little more memory than their own bytes, also with lists among the headers', async () => {
    const { channel, written } = realChannel()
    const headers = { 'x-cdc-operation': 'insert', CC: ['audit', 'search'], list: [1, 2, 3] }
    for (let i = 0; i < 1_000; i++) {
      publish(channel, 'cdc', 'a.b', Buffer.from('x'), { ...options, headers } as never)
      if (i % 10 === 0) await turn()
    }
    await turn()
    const bytes = written.reduce((sum, { length }) => sum + length, 0)
    const held = [...new Set(written.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(held).toBeLessThan(bytes + 2 * 65_536)
  })

  it('tell that the queue is full, as amqplib does', async () => {
    const { channel } = realChannel()
    const full = new PassThrough({ highWaterMark: 1 })
    channel.connection.channels[1] = { buffer: full }
    const body = Buffer.from('x')
    expect(publish(channel, 'cdc', 'a.b', body, options)).toBe(true)
    await turn()
    expect(publish(channel, 'cdc', 'a.b', body, options)).toBe(false)
    await turn()
    while (full.read()) await turn()
    expect(publish(channel, 'cdc', 'a.b', body, options)).toBe(true)
  })

  it('are let go of when the channel closes before the turn is over: nothing may be written to it then', async () => {
    const { channel, written } = realChannel()
    publish(channel, 'cdc', 'a.b', Buffer.from('x'), options)
    channel.sendMessage = () => false
    await turn()
    expect(written).toHaveLength(0)
  })

  it('count as a sign of life, so that no heartbeat is sent beside them', async () => {
    const { channel } = realChannel()
    channel.connection.sentSinceLastCheck = false
    publish(channel, 'cdc', 'a.b', Buffer.from('x'), options)
    await turn()
    expect(channel.connection.sentSinceLastCheck).toBe(true)
  })
})

describe('the list of unconfirmed messages', () => {
  it('is emptied once it is long, and counts on from the next tag', () => {
    const { channel } = realChannel()
    channel.unconfirmed = Array.from({ length: 1_000 }, () => false)
    trimUnconfirmed(channel, 1_001)
    expect([channel.unconfirmed, channel.lwm]).toEqual([[], 1_001])
  })
})
