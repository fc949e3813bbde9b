import { connect, type GetMessage } from 'amqplib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BrokerError } from '../../src/errors.js'
import type { RabbitMessage } from '../../src/types.js'
import { closePublishers, message, next, publisherFor, rejection, told } from './rabbit-publisher-tools.js'
import { observer, rabbit, startBroker, stopBroker, vhost } from './support/own-broker.js'

// A broker of this file alone: its connections are closed and its passwords changed.
let users = 0

beforeAll(() => startBroker())

afterEach(closePublishers)

afterAll(stopBroker)

/** A user that may do everything in this virtual host. */
async function addUser(password: string): Promise<string> {
  const name = `user${users++}`
  await rabbit.rabbitmqctl('add_user', name, password)
  await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, name, '.*', '.*', '.*')
  return name
}

async function closeUser(name: string): Promise<void> {
  // The list of connections of the broker lags half a second behind.
  await expect.poll(() => rabbit.rabbitmqctl('list_connections', 'user'), { timeout: 10_000 }).toContain(name)
  await rabbit.rabbitmqctl('close_all_user_connections', name, 'injected')
}

/** The next message of a queue. */
async function taken(queue: string): Promise<GetMessage> {
  const got = await observer.channel.get(queue, { noAck: true })
  if (!got) throw new Error(`Nothing arrived in ${queue}`)
  return got
}

describe('a connection that others use too', () => {
  it('carries several publishers on channels of their own, and stays when they close', async () => {
    const connection = await connect(vhost.url)
    connection.on('error', () => {})
    const [first, second] = ['s1', 's2'].map(name => publisherFor({ connection, queue: { name } }))
    await Promise.all([first?.open(), second?.open()])
    await first?.publish(message('a', { routingKey: 's1' }))
    // The broker closes the channel of one over this; the other must not notice.
    let lost = 0
    second?.on('disconnected', () => {
      lost += 1
    })
    await rejection(first?.publish(message('bad', { exchange: 'missing' })) ?? Promise.resolve())
    await first?.close()
    await second?.publish(message('b', { routingKey: 's2' }))
    await second?.close()
    expect([await observer.take('s1'), await observer.take('s2')]).toEqual([['a'], ['b']])
    expect(lost).toBe(0)
    const channel = await connection.createChannel()
    await channel.checkQueue('s1')
    await connection.close()
  })
})

describe('a way of your own to connect', () => {
  it('is asked again after a loss, and what it gives is closed by the publisher', async () => {
    const name = await addUser('pw-s3cret')
    const url = vhost.url.replace('guest:guest', `${name}:pw-s3cret`)
    let calls = 0
    let closed = 0
    const publisher = publisherFor({
      queue: { name: 'o1' },
      connect: async () => {
        calls += 1
        if (calls === 1) throw new Error('not yet')
        const connection = await connect(url)
        connection.on('close', () => {
          closed += 1
        })
        return connection
      },
    })
    await publisher.open()
    const back = next(publisher, 'connected')
    await closeUser(name)
    await back
    await publisher.publish(message('a', { routingKey: 'o1' }))
    await publisher.close()
    expect(await observer.take('o1')).toEqual(['a'])
    expect([calls, closed]).toEqual([3, 2])
  })

  it('is refused when it gives no connection', async () => {
    const publisher = publisherFor({ connect: async () => ({}) as never })
    expect(await rejection(publisher.open())).toMatchObject({ code: 'CDC_OPTION_INVALID', retryable: false })
  })
})

describe('credentials that change', () => {
  it('are asked for at each connect: an old password is waited out, and a new one is used as soon as there is one', async () => {
    const name = await addUser('old-s3cret')
    let password = 'old-s3cret'
    const publisher = publisherFor({
      url: vhost.url,
      queue: { name: 'c1' },
      credentials: async () => ({ username: name, password }),
    })
    await publisher.open()
    await rabbit.rabbitmqctl('change_password', name, 'new-s3cret')
    // The broker knows the new one before whoever gives out credentials does.
    const refused = new Promise(resolve => {
      publisher.on('retry', ({ error }) => (error as BrokerError).code === 'CDC_BROKER_AUTH_FAILED' && resolve(error))
    })
    await closeUser(name)
    await refused
    expect(publisher.health()).toMatchObject({ ok: false, reason: 'unauthorized' })
    const back = next(publisher, 'connected')
    password = 'new-s3cret'
    await back
    await publisher.publish(message('a', { routingKey: 'c1' }))
    expect(await observer.take('c1')).toEqual(['a'])
  })

  it('may be given apart from the URL', async () => {
    const name = await addUser('p@s3cret/')
    const publisher = publisherFor({ url: vhost.url, credentials: { username: name, password: 'p@s3cret/' } })
    await publisher.open()
    await expect.poll(() => rabbit.rabbitmqctl('list_connections', 'user'), { timeout: 10_000 }).toContain(name)
  })

  it('are waited for while their source is away, without telling what it said', async () => {
    let calls = 0
    const publisher = publisherFor({
      url: vhost.url,
      credentials: () => {
        calls += 1
        if (calls < 3) throw Object.assign(new Error('token s3cret'), { code: 'ECONNREFUSED', config: 's3cret' })
        return { username: 'guest', password: 'guest' }
      },
    })
    const failed = next(publisher, 'retry')
    await publisher.open()
    const { error } = await failed
    expect(error).toMatchObject({ code: 'CDC_BROKER_CREDENTIALS_FAILED', retryable: true })
    expect((error as Error).message).toContain('ECONNREFUSED')
  })

  it('are refused when they are none', async () => {
    const credentials = (): never => ({ user: 's3cret' }) as never
    const error = await rejection(publisherFor({ url: vhost.url, credentials }).open())
    expect(error).toMatchObject({ code: 'CDC_BROKER_CREDENTIALS_FAILED', retryable: false })
  })

  it('can be replaced on the connection that stands', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'c2' } })
    expect(await rejection(publisher.updateSecret('s3cret', 'early'))).toMatchObject({ retryable: true })
    await publisher.open()
    await publisher.updateSecret('s3cret', 'renewed')
    await publisher.publish(message('a', { routingKey: 'c2' }))
    expect(await observer.take('c2')).toEqual(['a'])
  })
})

describe('properties of a message', () => {
  it('arrive as they were given', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'p1' }, deduplicationHeader: true })
    await publisher.open()
    const given = { priority: 7, expiration: '60000', correlationId: 'c', replyTo: 'answers', appId: 'shop' }
    await publisher.publish(message('id-1', { routingKey: 'p1', ...given, userId: 'guest' }))
    const got = await taken('p1')
    expect(got.properties).toMatchObject({ ...given, userId: 'guest' })
    expect(got.properties.headers).toMatchObject({ 'x-deduplication-header': 'id-1' })
  })

  it('send copies to further queues, seen and unseen', async () => {
    const queues = ['p2', 'p3', 'p4']
    for (const queue of queues) await observer.channel.assertQueue(queue)
    const publisher = publisherFor({ url: vhost.url })
    await publisher.open()
    await publisher.publish(message('a', { routingKey: 'p2', CC: ['p3'], BCC: ['p4'] }))
    for (const queue of queues) {
      const got = await taken(queue)
      expect(got.properties.headers).toMatchObject({ CC: ['p3'] })
      expect(got.properties.headers).not.toHaveProperty('BCC')
    }
  })

  it('are refused before RabbitMQ would close the channel over them', async () => {
    const publisher = publisherFor({ url: vhost.url, queue: { name: 'p5' } })
    await publisher.open()
    let lost = 0
    publisher.on('disconnected', () => {
      lost += 1
    })
    const bad: Partial<RabbitMessage>[] = [
      ...[
        { priority: 256 },
        { priority: 1.5 },
        { expiration: 'soon' },
        { expiration: '-1' },
        { expiration: '9999999999' },
      ],
      ...[{ replyTo: 'amq.rabbitmq.reply-to' }, { userId: 'somebody' }, { CC: 'p5' as never }, { BCC: [1] as never }],
      { headers: { CC: 'p5' } },
    ]
    for (const more of bad) {
      const error = await rejection(publisher.publish(message('bad', { routingKey: 'p5', ...more })))
      expect(error, JSON.stringify(more)).toMatchObject({ reason: 'invalid', retryable: false })
    }
    await publisher.publish(message('good', { routingKey: 'p5' }))
    expect(await observer.take('p5')).toEqual(['good'])
    expect(lost).toBe(0)
  })

  it('name no other user, and where the log-in is unknown only that one message is refused', async () => {
    const publisher = publisherFor({ connect: async () => await connect(vhost.url), queue: { name: 'p6' } })
    await publisher.open()
    const sends = ['a', 'b', 'c', 'd'].map(id =>
      publisher.publish(message(id, { routingKey: 'p6', ...(id === 'c' && { userId: 'somebody' }) })),
    )
    const results = await Promise.allSettled(sends)
    expect(results.map(result => (result.status === 'rejected' ? result.reason.code : 'ok'))).toEqual([
      ...['ok', 'ok', 'CDC_MESSAGE_REFUSED', 'ok'],
    ])
    expect([...new Set(await observer.take('p6'))]).toEqual(['a', 'b', 'd'])
  })
})

describe('deduplication by queues', () => {
  it('takes a nack for a copy that the queue has already', async () => {
    const full = { name: 'd1', arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } }
    const publisher = publisherFor({ url: vhost.url, queue: full, deduplication: 'queue' })
    await publisher.open()
    for (const id of ['a', 'b']) await publisher.publish(message(id, { routingKey: 'd1' }))
    const got = await taken('d1')
    expect(got.properties.headers).toMatchObject({ 'x-deduplication-header': 'a' })
  })
})

it('has told no password to anybody', () => {
  expect(told.length).toBeGreaterThan(40)
  expect(told.join('\n')).not.toMatch(/s3cret|guest:guest/)
})
