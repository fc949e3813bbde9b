import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PublishError } from '../../../src/errors.js'
import { checkHeaders, headersSize, tableBytes, tableRoom } from '../../../src/rabbit/header-check.js'
import { checkMessage } from '../../../src/rabbit/message-check.js'
import type { RabbitMessage } from '../../../src/types.js'

const NOW = '2026-01-02T03:04:05.678Z'
const defaults = {
  exchange: 'cdc',
  routingKey: 'all',
  persistent: true,
  mandatory: true,
  maxMessageBytes: 100,
  login: 'me',
}
const body = Buffer.from('{}')

function check(message: unknown, id = 'id-1') {
  return checkMessage(message as RabbitMessage, id, NOW, defaults)
}

function refusal(message: unknown, id?: string): PublishError {
  try {
    check(message, id)
  } catch (error) {
    return error as PublishError
  }
  throw new Error('The message was accepted')
}

describe('message check', () => {
  it('fills in what the publisher is set to', () => {
    const wire = check({ body })
    expect(wire).toMatchObject({ exchange: 'cdc', routingKey: 'all' })
    expect(wire.options).toMatchObject({ deliveryMode: 2, mandatory: true, messageId: 'id-1' })
    expect(wire.options.headers).toEqual({ 'x-cdc-published-at': NOW })
  })

  it('lets the message decide for itself', () => {
    const own = { exchange: '', routingKey: 'q', persistent: false, mandatory: false, timestamp: 1, type: 't' }
    const { exchange, routingKey, options } = check({ body, contentType: 'a/b', contentEncoding: 'gzip', ...own })
    expect([exchange, routingKey]).toEqual(['', 'q'])
    expect(options).toMatchObject({
      deliveryMode: 1,
      mandatory: false,
      timestamp: 1,
      type: 't',
      contentType: 'a/b',
      contentEncoding: 'gzip',
    })
  })

  it('carries the further properties as they are', () => {
    const own = { priority: 0, expiration: '4294967295', correlationId: 'c', replyTo: 'r', appId: 'a', userId: 'me' }
    const { options } = check({ body, ...own, CC: ['k1'], BCC: ['k2', 'k3'] })
    expect(options).toMatchObject(own)
    expect(options.headers).toEqual({ 'x-cdc-published-at': NOW, CC: ['k1'], BCC: ['k2', 'k3'] })
  })

  it('repeats the message id in a header when told so, unless the message has one', () => {
    const told = { ...defaults, deduplicationHeader: 'x-id' }
    const headersOf = (headers?: Record<string, string>) =>
      checkMessage({ body, ...(headers && { headers }) }, 'id-1', NOW, told).options.headers
    expect(headersOf()).toEqual({ 'x-cdc-published-at': NOW, 'x-id': 'id-1' })
    expect(headersOf({ 'x-id': 'own' })).toEqual({ 'x-cdc-published-at': NOW, 'x-id': 'own' })
  })

  it('leaves the user to the broker where the log-in is unknown', () => {
    const { login: _, ...unknown } = defaults
    expect(checkMessage({ body, userId: 'text' }, 'id-1', NOW, unknown).options.userId).toBe('text')
  })

  it('sends a part of a larger array as that part, without a copy', () => {
    const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3)
    const wire = check({ body: bytes })
    expect([...wire.body]).toEqual([2, 3])
    expect(wire.body.buffer).toBe(bytes.buffer)
  })

  const long = 'ä'.repeat(200)
  const bad: [name: string, message: unknown, code: string][] = [
    ['no body', {}, 'CDC_MESSAGE_INVALID'],
    ['no message', undefined, 'CDC_MESSAGE_INVALID'],
    ['a string as body', { body: 'text' }, 'CDC_MESSAGE_INVALID'],
    ['a body over the limit', { body: Buffer.alloc(101) }, 'CDC_MESSAGE_TOO_LARGE'],
    ['a routing key of 256 bytes', { body, routingKey: 'k'.repeat(256) }, 'CDC_ROUTING_KEY_TOO_LONG'],
    ['a routing key of 200 characters of two bytes', { body, routingKey: long }, 'CDC_ROUTING_KEY_TOO_LONG'],
    ['a routing key that is a number', { body, routingKey: 7 }, 'CDC_MESSAGE_INVALID'],
    ['a long exchange', { body, exchange: long }, 'CDC_MESSAGE_INVALID'],
    ['a long type', { body, type: long }, 'CDC_MESSAGE_INVALID'],
    ['a long content type', { body, contentType: long }, 'CDC_MESSAGE_INVALID'],
    ['a long content encoding', { body, contentEncoding: long }, 'CDC_MESSAGE_INVALID'],
    ['half a character in the routing key', { body, routingKey: 'a\ud83d' }, 'CDC_MESSAGE_INVALID'],
    ['half a character in the exchange', { body, exchange: '\udc00x' }, 'CDC_MESSAGE_INVALID'],
    ['half a character in the type', { body, type: 'a\ud83d' }, 'CDC_MESSAGE_INVALID'],
    ['half a character in the content type', { body, contentType: '\ud83da' }, 'CDC_MESSAGE_INVALID'],
    ['half a character in the content encoding', { body, contentEncoding: 'a\ud83d' }, 'CDC_MESSAGE_INVALID'],
    ['a timestamp in milliseconds', { body, timestamp: Date.now() }, 'CDC_MESSAGE_INVALID'],
    ['a timestamp with a fraction', { body, timestamp: 1.5 }, 'CDC_MESSAGE_INVALID'],
    ['a priority of 256', { body, priority: 256 }, 'CDC_MESSAGE_INVALID'],
    ['a negative priority', { body, priority: -1 }, 'CDC_MESSAGE_INVALID'],
    ['a priority with a fraction', { body, priority: 0.5 }, 'CDC_MESSAGE_INVALID'],
    ['an expiration as a number', { body, expiration: 1000 }, 'CDC_MESSAGE_INVALID'],
    ['an expiration with a unit', { body, expiration: '10 s' }, 'CDC_MESSAGE_INVALID'],
    ['an expiration beyond 32 bits', { body, expiration: '4294967296' }, 'CDC_MESSAGE_INVALID'],
    ['a long correlation id', { body, correlationId: long }, 'CDC_MESSAGE_INVALID'],
    ['a long queue for answers', { body, replyTo: long }, 'CDC_MESSAGE_INVALID'],
    ['a direct reply', { body, replyTo: 'amq.rabbitmq.reply-to' }, 'CDC_MESSAGE_INVALID'],
    ['a long application', { body, appId: long }, 'CDC_MESSAGE_INVALID'],
    ['half a character in the application', { body, appId: 'a\ud83d' }, 'CDC_MESSAGE_INVALID'],
    ['a user that is a number', { body, userId: 7 }, 'CDC_MESSAGE_INVALID'],
    ['another user than that of the log-in', { body, userId: 'text' }, 'CDC_MESSAGE_INVALID'],
    ['a copy for a key that is no list', { body, CC: 'text' }, 'CDC_MESSAGE_INVALID'],
    ['a copy for a key that is a number', { body, CC: [1] }, 'CDC_MESSAGE_INVALID'],
    ['a copy for a long key', { body, BCC: [long] }, 'CDC_ROUTING_KEY_TOO_LONG'],
    ['a header that routes', { body, headers: { CC: ['text'] } }, 'CDC_HEADERS_INVALID'],
    ['a hidden header that routes', { body, headers: { BCC: ['text'] } }, 'CDC_HEADERS_INVALID'],
    ['copies that do not fit into the headers', { body, CC: Array(300).fill('k'.repeat(250)) }, 'CDC_HEADERS_INVALID'],
    ['a Date in a header', { body, headers: { at: new Date(0) } }, 'CDC_HEADERS_INVALID'],
  ]
  it.each(bad)('refuses %s', (_, message, code) => {
    const error = refusal(message)
    expect(error).toBeInstanceOf(PublishError)
    expect(error).toMatchObject({ code, reason: 'invalid', retryable: false })
  })

  it('refuses a message id of more than 255 bytes', () => {
    expect(refusal({ body }, long).code).toBe('CDC_MESSAGE_INVALID')
  })

  it('refuses half a character in the message id, and says what is wrong', () => {
    expect(refusal({ body }, 'id-\ud83d').message).toBe(
      'Expected `messageId` to be well-formed Unicode, got one half of a surrogate pair without the other',
    )
    expect(check({ body, routingKey: '😀' }, 'ü😀').routingKey).toBe('😀')
  })

  it.each([
    ['a string', 'secret'],
    ['an object', { secret: 1 }],
    ['undefined', undefined],
  ])('says of a body that is %s what it is and what to do', (got, given) => {
    const { message } = refusal({ body: given })
    expect(message).toMatch(`Expected \`body\` to be a Uint8Array, got ${got} (end the transform with a message shape`)
    expect(message).not.toContain('secret')
  })

  it('takes a routing key of exactly 255 bytes', () => {
    expect(check({ body, routingKey: 'k'.repeat(255) }).routingKey).toHaveLength(255)
  })

  it('never quotes the message', () => {
    for (const [, message] of bad) expect(refusal(message).message).not.toMatch(/ä|kkk|text/)
  })
})

describe('header check', () => {
  function code(headers: unknown): string {
    try {
      checkHeaders(headers as never, NOW)
    } catch (error) {
      return (error as PublishError).code
    }
    return 'accepted'
  }

  it('carries everything that AMQP knows', () => {
    const nested = { list: [1, 'a', null, { deep: true }], bytes: Buffer.from('x') }
    const { headers } = checkHeaders({ s: 'a', i: 1, d: 1.5, b: false, n: null, u: undefined, nested }, NOW)
    expect(headers).toEqual({ 'x-cdc-published-at': NOW, s: 'a', i: 1, d: 1.5, b: false, n: null, nested })
  })

  it('makes a Buffer of a typed array, which amqplib would send as a table', () => {
    expect(Buffer.isBuffer(checkHeaders({ raw: new Uint8Array([1]) }, NOW).headers.raw)).toBe(true)
  })

  it('takes everything up to the limits', () => {
    const long = { ['ä'.repeat(127)]: 'ä'.repeat(32_500) }
    expect(checkHeaders(long, NOW).headers).toEqual({ 'x-cdc-published-at': NOW, ...long })
    expect(tableBytes(checkHeaders(long, NOW).headers)).toBeGreaterThan(65_000)
  })

  it('keeps a publish time that the message brings along', () => {
    expect(checkHeaders({ 'x-cdc-published-at': 'then' }, NOW).headers).toEqual({ 'x-cdc-published-at': 'then' })
  })

  it.each([
    ['half a character', { a: 'x\ud83d' }],
    ['half a character in a list', { a: ['\udc00'] }],
    ['half a character in a name', { 'x\ud83d': 1 }],
    ['a BigInt', { a: 1n }],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('s') }],
    ['NaN', { a: Number.NaN }],
    ['Infinity', { a: Number.POSITIVE_INFINITY }],
    ['a number below all integers of AMQP', { a: -1e300 }],
    ['a Date inside of an object', { a: { b: new Date(0) } }],
    ['a Map', { a: new Map() }],
    ['a typed array inside of a list', { a: [new Uint8Array(1)] }],
    ['a field that chooses its wire type', { a: { '!': 'long', value: 1 } }],
    ['a field named __proto__', { a: JSON.parse('{"__proto__": 1}') }],
    ['a header named __proto__', JSON.parse('{"__proto__": {"a": 1}}')],
    ['a name of 256 bytes', { ['n'.repeat(256)]: 1 }],
    ['a name of 256 bytes in 128 characters', { ['ä'.repeat(128)]: 1 }],
    ['more than 64 KiB of longer characters', { a: 'ä'.repeat(32_750) }],
    ['more than 64 KiB together', { a: 'x'.repeat(40_000), b: 'x'.repeat(30_000) }],
    ['headers that are a list', ['a']],
    ['headers that are a Map', new Map()],
  ])('refuses %s', (_, headers) => {
    expect(code(headers)).toBe('CDC_HEADERS_INVALID')
  })

  it('refuses what contains itself', () => {
    const circle: Record<string, unknown> = {}
    circle.a = circle
    expect(code(circle)).toBe('CDC_HEADERS_INVALID')
  })

  it('counts the bytes that amqplib writes', () => {
    // By its path, since amqplib exports no encoder.
    const require = createRequire(import.meta.url)
    const { encodeTable } = require(join(dirname(require.resolve('amqplib')), 'lib/codec.js'))
    const given = {
      a: 'ä',
      b: 1,
      c: 200,
      d: -40_000,
      e: 2 ** 40,
      f: 0.5,
      g: 2 ** 63,
      h: null,
      i: true,
      j: [1, { k: 'l' }],
    }
    const { headers, bytes } = checkHeaders({ ...given, m: Buffer.from('xyz') }, NOW)
    expect(tableBytes(headers)).toBe(encodeTable(Buffer.alloc(1_000), headers, 0))
    // Without the time, and by characters: `ä` has two bytes.
    const time = tableBytes({ 'x-cdc-published-at': NOW }) - tableBytes({})
    expect(bytes).toBe(tableBytes(headers) - time - 1)
    expect(tableRoom(bytes)).toBeGreaterThanOrEqual(tableBytes(headers))
    expect(tableRoom(checkHeaders({}, NOW).bytes)).toBeGreaterThanOrEqual(tableBytes(checkHeaders({}, NOW).headers))
  })

  it('names the header and neither its value nor control characters', () => {
    expect(() => checkHeaders({ 'at\n': new Date(0) } as never, NOW)).toThrow(
      'A Date can not be sent in the header `at?` (send its ISO string, or its milliseconds as a number)',
    )
  })

  it('estimates the size of headers without a judgement', () => {
    expect(headersSize({ a: 'bcd' })).toBeGreaterThan(8)
    expect(headersSize({ a: 1n } as never)).toBe(0)
    expect(headersSize(undefined)).toBeLessThan(8)
  })
})
