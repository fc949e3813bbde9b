import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'amqplib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { tcpProxy } from '../../scripts/services/index.mjs'
import { closePublishers, message, next, publisherFor, rejection, told } from './rabbit-publisher-tools.js'
import { observer, rabbit, startBroker, stopBroker, vhost } from './support/own-broker.js'

beforeAll(() => startBroker())

afterEach(closePublishers)

afterAll(stopBroker)

describe('publishing', () => {
  it('resolves when the broker has the message, with everything that belongs to it', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x1' }, queue: { name: 'q1' } })
    await publisher.open()
    expect(publisher.health()).toMatchObject({ ok: true })
    const body = Buffer.from('{"a":1}')
    const headers = { op: 'insert', n: 5, raw: new Uint8Array([1, 2]) }
    const more = { contentType: 'application/json', contentEncoding: 'utf-8', type: 'orders', timestamp: 1_700_000_000 }
    await publisher.publish({ body, routingKey: 'shop.orders.insert', headers, ...more }, { id: 'delivery-1' })
    const got = await observer.channel.get('q1', { noAck: true })
    if (!got) throw new Error('Nothing arrived')
    expect(got.content).toEqual(body)
    expect(got.fields).toMatchObject({ exchange: 'x1', routingKey: 'shop.orders.insert' })
    expect(got.properties).toMatchObject({ messageId: 'delivery-1', deliveryMode: 2, ...more })
    expect(got.properties.headers).toMatchObject({ op: 'insert', n: 5, raw: Buffer.from([1, 2]) })
    expect(Date.now() - Date.parse(got.properties.headers?.['x-cdc-published-at'])).toBeLessThan(60_000)
  })

  it('publishes straight to a queue when there is no exchange', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'q2' } })
    await publisher.open()
    await publisher.publish({ body: Buffer.from('x'), messageId: 'own' }, { id: 'other' })
    expect(await observer.take('q2')).toEqual(['own'])
  })

  it('keeps the order of the calls, also for empty and for large bodies', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'q3' } })
    await publisher.open()
    const sizes = [0, 10, 3_000_000, 1, 200_000, 0, 5]
    const own = (i: number) => ({ routingKey: 'q3', body: Buffer.alloc(sizes[i]!) })
    await Promise.all(sizes.map((_, i) => publisher.publish(message(`m${i}`, own(i)))))
    expect(await observer.take('q3')).toEqual(sizes.map((_, i) => `m${i}`))
  })

  it('works over a connection of the user and leaves it open', async () => {
    const connection = await connect(vhost.url)
    const publisher = publisherFor({ connection, queue: { name: 'q4' } })
    const other = publisherFor({ connection, queue: { name: 'q4' } })
    await Promise.all([publisher.open(), other.open()])
    await Promise.all([
      publisher.publish(message('a', { routingKey: 'q4' })),
      other.publish(message('b', { routingKey: 'q4' })),
    ])
    await publisher.close()
    await other.close()
    const channel = await connection.createChannel()
    expect((await channel.checkQueue('q4')).messageCount).toBe(2)
    expect(connection.listenerCount('close')).toBe(0)
    await connection.close()
  })

  it('says that a lost connection of the user can not come back', async () => {
    const connection = await connect(vhost.url)
    connection.on('error', () => {})
    const publisher = publisherFor({ connection, queue: { name: 'q5' } })
    await publisher.open()
    const gone = next(publisher, 'disconnected')
    await connection.close()
    await gone
    await new Promise(resolve => setImmediate(resolve))
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'disconnected' })
    const pending = rejection(publisher.publish(message('late')))
    await publisher.close()
    expect(await pending).toMatchObject({ code: 'CDC_PUBLISHER_CLOSED' })
    const late = publisherFor({ connection, queue: { name: 'q5' } })
    expect(await rejection(late.open())).toMatchObject({ code: 'CDC_BROKER_UNAVAILABLE' })
  })
})

describe('messages that are not taken', () => {
  it('rejects a message for which no queue is bound, and tells', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x6' } })
    await publisher.open()
    const returned = next(publisher, 'returned')
    const error = await rejection(publisher.publish(message('lost')))
    expect(error).toMatchObject({ code: 'CDC_UNROUTABLE', reason: 'unroutable', retryable: true })
    expect(await returned).toMatchObject({
      messageId: 'lost',
      exchange: 'x6',
      routingKey: 'a.b',
      replyText: 'NO_ROUTE',
    })
    await publisher.publish(message('dropped', { mandatory: false }))
  })

  it('declares a deleted queue again before it rejects, so that a second try arrives', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x7' }, queue: { name: 'q7' } })
    await publisher.open()
    await observer.channel.deleteQueue('q7')
    const results = await Promise.allSettled(['a', 'b', 'c'].map(id => publisher.publish(message(id))))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    await publisher.publish(message('again'))
    expect(await observer.take('q7')).toEqual(['again'])
  })

  it('binds a queue again whose binding was removed, and with "check" rejects every message until somebody does', async () => {
    const [exchange, queue] = [{ name: 'x7b' }, { name: 'q7b' }]
    const publisher = publisherFor({ url: vhost.url, exchange, queue })
    await publisher.open()
    const unbind = () => observer.channel.unbindQueue(queue.name, exchange.name, '#')
    await unbind()
    const returned = next(publisher, 'returned')
    expect(await rejection(publisher.publish(message('a')))).toMatchObject({ code: 'CDC_UNROUTABLE', retryable: true })
    expect(await returned).toMatchObject({ replyText: 'NO_ROUTE' })
    await publisher.publish(message('a'))
    const checking = publisherFor({ url: vhost.url, exchange, queue, topology: 'check' })
    await checking.open()
    await unbind()
    for (const id of ['b', 'b']) {
      expect(await rejection(checking.publish(message(id)))).toMatchObject({ code: 'CDC_UNROUTABLE' })
    }
    await observer.channel.bindQueue(queue.name, exchange.name, '#')
    await checking.publish(message('b'))
    expect(await observer.take(queue.name)).toEqual(['a', 'b'])
  })

  it('refuses alone the messages for an exchange that was deleted, where it may not declare it again', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x7c' }, queue: { name: 'q7c' } })
    await publisher.open()
    const trusting = publisherFor({ url: vhost.url, exchange: { name: 'x7c' }, topology: 'none' })
    await trusting.open()
    await observer.channel.deleteExchange('x7c')
    const innocent = { exchange: '', routingKey: 'q7c' }
    const ids = Array.from({ length: 100 }, (_, i) => `m${i}`)
    const sends = ids.map((id, i) => trusting.publish(message(id, i % 40 === 20 ? {} : innocent)))
    const results = await Promise.allSettled(sends)
    const rejected = results.flatMap((r, i) => (r.status === 'rejected' ? [[i, r.reason.code]] : []))
    expect(rejected).toEqual([20, 60].map(i => [i, 'CDC_MESSAGE_REFUSED']))
    expect([...new Set(await observer.take('q7c'))]).toEqual(ids.filter((_, i) => i % 40 !== 20))
  })

  it('rejects what a full queue does not take', async () => {
    const full = { name: 'q8', arguments: { 'x-max-length': 2, 'x-overflow': 'reject-publish' } }
    const publisher = publisherFor({ url: vhost.url, queue: full })
    await publisher.open()
    const codes: string[] = []
    for (const id of ['a', 'b', 'c']) {
      const result = publisher.publish(message(id, { routingKey: 'q8' }))
      codes.push(await result.then(() => 'ok').catch(error => `${error.code} ${error.reason} ${error.retryable}`))
    }
    expect(codes).toEqual(['ok', 'ok', 'CDC_NACKED nack true'])
  })

  it('refuses what AMQP can not carry before it is sent, and sends the others', async () => {
    const publisher = publisherFor({
      url: vhost.url,
      exchange: { name: 'x9' },
      queue: { name: 'q9' },
      maxMessageBytes: 50,
    })
    await publisher.open()
    let disconnects = 0
    publisher.on('disconnected', () => {
      disconnects += 1
    })
    const bad = [
      { body: Buffer.alloc(51) },
      { routingKey: 'k'.repeat(256) },
      { routingKey: 'ä'.repeat(200) },
      { headers: { at: new Date() as never } },
      { routingKey: 'a\ud83d' },
    ]
    const results = [publisher.publish(message('first'))]
    for (const [i, more] of bad.entries()) {
      results.push(publisher.publish(message(`bad${i}`, more)), publisher.publish(message(`good${i}`)))
    }
    const codes = (await Promise.allSettled(results)).map(r => (r.status === 'fulfilled' ? 'ok' : r.reason.code))
    expect(codes.filter(code => code !== 'ok')).toEqual([
      'CDC_MESSAGE_TOO_LARGE',
      'CDC_ROUTING_KEY_TOO_LONG',
      'CDC_ROUTING_KEY_TOO_LONG',
      'CDC_HEADERS_INVALID',
      'CDC_MESSAGE_INVALID',
    ])
    expect(await observer.take('q9')).toEqual(['first', 'good0', 'good1', 'good2', 'good3', 'good4'])
    expect(disconnects).toBe(0)
  })

  it('isolates messages for an exchange that does not exist: everything else arrives', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x10' }, queue: { name: 'q10' } })
    await publisher.open()
    const ids = Array.from({ length: 300 }, (_, i) => `m${i}`)
    const bad = new Set(['m100', 'm101', 'm250'])
    const sends = ids.map(id => publisher.publish(message(id, bad.has(id) ? { exchange: 'nope' } : {})))
    const results = await Promise.allSettled(sends)
    const rejected = results.flatMap((r, i) =>
      r.status === 'rejected' ? [[ids[i], r.reason.code, r.reason.reason]] : [],
    )
    expect(rejected).toEqual([...bad].map(id => [id, 'CDC_MESSAGE_REFUSED', 'refused']))
    const arrived = await observer.take('q10')
    expect([...new Set(arrived)]).toEqual(ids.filter(id => !bad.has(id)))
    expect(publisher.health().ok).toBe(true)
  })

  it('finds the culprit also when the broker does not say which message it was', async () => {
    // Topic permissions name the exchange that other messages go to as well.
    const user = `u${Date.now()}`
    await rabbit.rabbitmqctl('add_user', user, 'pw')
    await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, user, '.*', '.*', '.*')
    await rabbit.rabbitmqctl('set_topic_permissions', '-p', vhost.name, user, 'x11', '^allowed', '.*')
    const url = vhost.url.replace('guest:guest', `${user}:pw`)
    const publisher = publisherFor({ url, exchange: { name: 'x11' }, queue: { name: 'q11' } })
    await publisher.open()
    const ids = Array.from({ length: 60 }, (_, i) => `m${i}`)
    const sends = ids.map(id => publisher.publish(message(id, { routingKey: id === 'm30' ? 'denied' : 'allowed' })))
    const results = await Promise.allSettled(sends)
    const codes = results.flatMap((r, i) => (r.status === 'rejected' ? [[i, r.reason.code]] : []))
    expect(codes).toEqual([[30, 'CDC_MESSAGE_REFUSED']])
    expect([...new Set(await observer.take('q11'))]).toEqual(ids.filter(id => id !== 'm30'))
  })

  it('finds a message over the limit of the broker by its size', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'q12' }, maxMessageBytes: 200 * 2 ** 20 })
    await publisher.open()
    const own = { routingKey: 'q12' }
    const large = rejection(publisher.publish(message('large', { ...own, body: Buffer.alloc(2 ** 27 + 1) })))
    await Promise.all(['a', 'b'].map(id => publisher.publish(message(id, own))))
    expect(await large).toMatchObject({ code: 'CDC_MESSAGE_REFUSED', retryable: false })
    expect(await observer.take('q12')).toEqual(['a', 'b'])
  })
})

describe('topology', () => {
  it('declares exchange, queue and bindings', async () => {
    const publisher = publisherFor({
      url: vhost.url,
      exchange: { name: 'x20', type: 'direct', durable: false, autoDelete: true },
      queue: { name: 'q20', arguments: { 'x-queue-type': 'quorum' } },
      bindings: [{ routingKey: 'k1' }, { routingKey: 'k2' }],
    })
    await publisher.open()
    await Promise.all(['k1', 'k2'].map(routingKey => publisher.publish(message(routingKey, { routingKey }))))
    expect(await rejection(publisher.publish(message('k3', { routingKey: 'k3' })))).toMatchObject({
      code: 'CDC_UNROUTABLE',
    })
    expect((await observer.take('q20')).sort()).toEqual(['k1', 'k2'])
  })

  it('declares a queue as a plain declaration of anybody else does', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'q21' } })
    await publisher.open()
    await observer.channel.assertQueue('q21')
  })

  it('says so when something exists with other properties', async () => {
    await observer.channel.assertQueue('q22', { maxLength: 5 })
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'q22' } })
    const error = await rejection(publisher.open())
    expect(error).toMatchObject({ code: 'CDC_TOPOLOGY_MISMATCH', retryable: false })
    expect((error as Error).message).toContain("x-max-length' for queue 'q22'")
    await observer.channel.deleteQueue('q22')
    await publisher.open()
    expect(publisher.health().ok).toBe(true)
  })

  it('says so when the broker does not know the type of an exchange', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x23', type: 'x-unheard-of' } })
    expect(await rejection(publisher.open())).toMatchObject({ code: 'CDC_TOPOLOGY_MISMATCH' })
  })

  it('only checks, and says what is missing', async () => {
    const options = { url: vhost.url, exchange: { name: 'x24' }, queue: { name: 'q24' }, topology: 'check' } as const
    expect(await rejection(publisherFor(options).open())).toMatchObject({ code: 'CDC_TOPOLOGY_MISSING' })
    await observer.channel.assertExchange('x24', 'topic')
    expect(await rejection(publisherFor(options).open())).toMatchObject({ code: 'CDC_TOPOLOGY_MISSING' })
    await observer.channel.assertQueue('q24', { maxLength: 9 })
    await observer.channel.bindQueue('q24', 'x24', '#')
    const publisher = publisherFor(options)
    await publisher.open()
    await publisher.publish(message('checked'))
    expect(await observer.take('q24')).toEqual(['checked'])
  })

  it('leaves everything alone when told so', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x25' }, topology: 'none' })
    await publisher.open()
    const error = await rejection(publisher.publish(message('a')))
    expect(error).toMatchObject({ code: 'CDC_MESSAGE_REFUSED', reason: 'refused', retryable: true })
  })

  it('brings a deleted exchange back and loses nothing', async () => {
    const publisher = publisherFor({ url: vhost.url, exchange: { name: 'x26' }, queue: { name: 'q26' } })
    await publisher.open()
    await observer.channel.deleteExchange('x26')
    await Promise.all(['a', 'b', 'c'].map(id => publisher.publish(message(id))))
    expect(await observer.take('q26')).toEqual(['a', 'b', 'c'])
  })
})

describe('access', () => {
  it('rejects a wrong password at open', async () => {
    const url = vhost.url.replace('guest:guest', 'guest:s3cret%40')
    const error = await rejection(publisherFor({ url }).open())
    expect(error).toMatchObject({ code: 'CDC_BROKER_AUTH_FAILED', retryable: false })
  })

  it('rejects a virtual host that does not exist at open', async () => {
    const url = `${rabbit.url}/missing`
    expect(await rejection(publisherFor({ url }).open())).toMatchObject({ code: 'CDC_BROKER_VHOST_MISSING' })
  })

  it('rejects at open when the user may not declare', async () => {
    const user = `r${Date.now()}`
    await rabbit.rabbitmqctl('add_user', user, 's3cret@')
    await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, user, '^$', '.*', '.*')
    const url = vhost.url.replace('guest:guest', `${user}:s3cret%40`)
    const options = { url, exchange: { name: 'x30' } }
    expect(await rejection(publisherFor(options).open())).toMatchObject({ code: 'CDC_BROKER_ACCESS_REFUSED' })
  })

  it('needs no right but to write to its exchange when it only checks', async () => {
    const user = `o${Date.now()}`
    await observer.channel.assertExchange('x29', 'topic')
    await observer.channel.assertQueue('q29')
    await observer.channel.bindQueue('q29', 'x29', '#')
    await rabbit.rabbitmqctl('add_user', user, 's3cret@')
    await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, user, '^$', '^x29$', '^$')
    const url = vhost.url.replace('guest:guest', `${user}:s3cret%40`)
    const publisher = publisherFor({ url, exchange: { name: 'x29' }, topology: 'check' })
    await publisher.open()
    await publisher.publish({ body: Buffer.from('x'), routingKey: 'a' }, { id: 'one' })
    expect(await observer.take('q29')).toEqual(['one'])
  })

  it('waits, unhealthy, when the right to write is taken away while it runs', async () => {
    const user = `w${Date.now()}`
    const permit = (write: string) => rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, user, '.*', write, '.*')
    await rabbit.rabbitmqctl('add_user', user, 's3cret@')
    await permit('.*')
    const url = vhost.url.replace('guest:guest', `${user}:s3cret%40`)
    const publisher = publisherFor({ url, exchange: { name: 'x31' }, queue: { name: 'q31' } })
    await publisher.open()
    await permit('^q31$')
    const unauthorized = new Promise(resolve => {
      publisher.onHealth(health => health.reason === 'unauthorized' && resolve(health))
    })
    const sends = Promise.all(['a', 'b', 'c'].map(id => publisher.publish(message(id))))
    expect(await unauthorized).toMatchObject({ ok: false })
    await permit('.*')
    await sends
    expect(publisher.health()).toMatchObject({ ok: true })
    expect([...new Set(await observer.take('q31'))]).toEqual(['a', 'b', 'c'])
  })

  it('gives up opening when told to', async () => {
    const publisher = publisherFor({ url: 'amqp://127.0.0.1:1/' })
    const controller = new AbortController()
    publisher.once('retry', () => controller.abort(new Error('enough')))
    expect(await rejection(publisher.open({ signal: controller.signal }))).toMatchObject({ message: 'enough' })
  })

  it('goes to the next host of a list', async () => {
    const publisher = publisherFor({
      urls: ['amqp://127.0.0.1:1', 'amqp://127.0.0.1:2', vhost.url],
      queue: { name: 'q32' },
    })
    await publisher.open()
    await publisher.publish(message('a', { routingKey: 'q32' }))
    expect(await observer.take('q32')).toEqual(['a'])
  })
})

describe('closing', () => {
  it('waits for the confirms of what it has, and takes nothing more', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'q40' } })
    await publisher.open()
    const sends = Array.from({ length: 500 }, (_, i) => publisher.publish(message(`m${i}`, { routingKey: 'q40' })))
    const closing = publisher.close()
    expect(publisher.close()).toBe(closing)
    expect(await rejection(publisher.publish(message('late')))).toMatchObject({ code: 'CDC_PUBLISHER_CLOSED' })
    await closing
    await Promise.all(sends)
    expect(await observer.take('q40')).toHaveLength(500)
  })

  it('gives up what can not be sent in time', async () => {
    const publisher = publisherFor({ url: 'amqp://127.0.0.1:1' })
    const opening = rejection(publisher.open())
    const pending = rejection(publisher.publish(message('a')))
    await publisher.close({ drainTimeoutMs: 20 })
    expect(await pending).toMatchObject({ code: 'CDC_PUBLISHER_CLOSED' })
    expect(await opening).toMatchObject({ code: 'CDC_PUBLISHER_CLOSED' })
  })

  it('lets the process end by itself', async () => {
    const child = await runInChild(vhost.url)
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('lets the process end by itself when the broker is silent', async () => {
    const proxy = await tcpProxy(rabbit.port)
    const child = await runInChild(vhost.url.replace(`:${rabbit.port}`, `:${proxy.port}`))
    const exited = once(child, 'exit')
    await once(child.stdout!, 'data')
    proxy.mode = 'hole'
    child.stdin!.end('close')
    const started = performance.now()
    expect(await exited).toEqual([0, null])
    expect(performance.now() - started).toBeLessThan(9_000)
    await proxy.close()
  })
})

/** A process that opens, publishes, says so, and closes when its standard input has ended. */
async function runInChild(url: string): Promise<ChildProcess> {
  const { buildSync } = await import('esbuild' as string)
  const bundle = buildSync({
    entryPoints: ['src/rabbit/rabbit-publisher.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  })
  const code = `${bundle.outputFiles[0].text}
    const publisher = new RabbitPublisher({ url: process.env.AMQP, queue: { name: 'q41' } })
    await publisher.open()
    await publisher.publish({ body: Buffer.from('x') })
    console.log('published')
    for await (const _ of process.stdin);
    await publisher.close({ drainTimeoutMs: 100 })`
  const env = { ...process.env, AMQP: url }
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  if (url === vhost.url) child.stdin.end()
  return child
}

it('has told no password to anybody', () => {
  expect(told.length).toBeGreaterThan(50)
  expect(told.join('\n')).not.toMatch(/s3cret|guest:guest|:pw@/)
})
