import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { publish, trimUnconfirmed } from '../../../src/rabbit/amqp-internals.js'
import type { AmqpConfirmChannel } from '../../../src/rabbit/amqp-types.js'

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
  connection.channels[1] = { buffer: { write: (bytes: Buffer) => written.push(bytes) > 0 } }
  const channel = new ConfirmChannel(connection)
  channel.ch = 1
  return { channel, bytes: () => Buffer.concat(written).toString('hex') }
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
  it.each([0, 1_000, 200_000])('sends the same bytes as its publish for a body of %i bytes', size => {
    const [ours, theirs] = [realChannel(), realChannel()]
    const body = Buffer.alloc(size, 7)
    expect(publish(ours.channel, 'cdc', 'a.b', body, options)).toBe(true)
    theirs.channel.publish('cdc', 'a.b', body, options)
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
    expect(typeof Mux.prototype._readIncoming).toBe('function')
    expect([Array.isArray(channel.unconfirmed), typeof channel.lwm]).toEqual([true, 'number'])
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
