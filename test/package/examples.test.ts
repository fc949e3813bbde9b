import { createHmac } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Message } from 'amqplib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type ExamplesApp, openExamples, type Service } from './examples-app.js'

let examples: ExamplesApp
beforeAll(async () => {
  examples = await openExamples()
}, 180_000)
afterEach(() => examples.cleanUp())
afterAll(() => examples?.close())

/**
 * A change arrives, a signal ends the service cleanly, and nothing is missing or comes twice after the next start. The
 * signal comes sooner than the next save: with the client closed before the pipeline, the first change would come again.
 */
async function delivers({ db, next, program, restart }: Service): Promise<void> {
  const orders = db.collection('orders')
  await orders.insertOne({ total: 1 })
  expect(totalOf(await next())).toBe(1)
  expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  await orders.insertOne({ total: 2 })
  const again = await restart()
  expect(totalOf(await next())).toBe(2)
  expect(await again.stop()).toEqual({ code: 0, stderr: '' })
}

function totalOf({ content }: Message): unknown {
  return JSON.parse(content.toString()).fullDocument.total
}

/** What no waiting heals ends the process, for the platform to see. */
async function failsWithoutAccess(example: string): Promise<void> {
  const env = examples.environment(example)
  const url = new URL(env.AMQP_URL)
  url.password = 'wrong'
  const ending = examples.run(example, { ...env, AMQP_URL: url.href })
  await expect(ending).rejects.toMatchObject({ code: 1 })
  const { stdout, stderr } = await ending.catch(error => error)
  expect(stdout + stderr).toContain('CDC_BROKER_AUTH_FAILED')
}

describe('transforms-and-tests', () => {
  it('passes its own tests', async () => {
    examples.copy('transforms-and-tests')
    expect(await examples.script('transforms-and-tests', 'test')).toMatch(/^\W+pass 5$/m)
  })
})

describe('redact-personal-data', () => {
  const example = 'redact-personal-data'
  const HASH_KEY = 'a key for these tests'

  it('passes its own tests', async () => {
    examples.copy(example)
    expect(await examples.script(example, 'test')).toMatch(/^\W+pass 7$/m)
  })

  it('lets no secret out of an insert, an update by dotted paths, and a delete with its pre-image', async () => {
    const env = examples.environment(example)
    const customers = await examples.client.db(env.DATABASE).createCollection<{ _id: number }>('customers', {
      changeStreamPreAndPostImages: { enabled: true },
    })
    const next = await examples.inbox(env.QUEUE)
    const program = examples.start(example, { ...env, HASH_KEY })
    await program.said(/^running/m)
    const customer = {
      email: 'secret@example.org',
      iban: 'DE-secret-3000',
      phone: 'secret',
      passwordHash: 'secret',
      sessions: { 'secret-1': { ip: 'secret' } },
      addresses: [{ street: 'secret', city: 'London' }],
    }
    const set = { 'sessions.secret-2.ip': 'secret', 'addresses.0.street': 'secret too', 'addresses.0.city': 'Paris' }
    await customers.insertOne({ _id: 7, ...customer })
    const inserted = await next()
    await customers.updateOne({ _id: 7 }, { $set: set, $unset: { 'sessions.secret-1': 1 } })
    const updated = await next()
    await customers.deleteOne({ _id: 7 })
    const deleted = await next()

    for (const { content, properties } of [inserted, updated, deleted]) {
      expect(content.toString() + JSON.stringify(properties)).not.toContain('secret')
      expect(properties.headers).not.toHaveProperty('x-cdc-token')
    }
    const email = createHmac('sha256', HASH_KEY).update(customer.email).digest('hex')
    const shown = { _id: 7, email, iban: '****3000', phone: '***' }
    expect(operationAndBody(inserted)).toMatchObject([
      'insert',
      { fullDocument: { ...shown, addresses: [{ city: 'London' }] } },
    ])
    expect(operationAndBody(updated)).toMatchObject([
      'update',
      {
        fullDocument: { ...shown, addresses: [{ city: 'Paris' }] },
        fullDocumentBeforeChange: { ...shown, addresses: [{ city: 'London' }] },
        updateDescription: { updatedFields: { 'addresses.0.city': 'Paris' }, removedFields: [] },
      },
    ])
    expect(operationAndBody(deleted)).toMatchObject(['delete', { fullDocumentBeforeChange: shown }])
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  })

  it('does not start without a key', async () => {
    const ending = examples.run(example, { ...examples.environment(example), HASH_KEY: '' })
    await expect(ending).rejects.toThrow('Expected `hash.key`')
  })
})

describe('outbox', () => {
  it('publishes the order that was placed, nothing of the one that was aborted, and leaves no entry', async () => {
    examples.copy('outbox')
    const env = examples.environment('outbox')
    const db = examples.client.db(env.DATABASE)
    const next = await examples.inbox(env.QUEUE)
    const program = examples.start('outbox', env)
    await program.said(/^running/m)
    const printed = await examples.script('outbox', 'place-orders', env)
    const [, orderId] = /^aborted: Not enough of mug\nplaced (\w{24})\n$/.exec(printed) ?? []
    const { fields, properties, content } = await next() // the aborted one would have come before
    expect(fields.routingKey).toBe('order.placed')
    expect(properties).toMatchObject({ type: 'placed', headers: { 'x-cdc-aggregate-id': orderId } })
    expect(JSON.parse(content.toString())).toEqual({ orderId, sku: 'mug', quantity: 2 })
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
    expect(await db.collection('outbox').countDocuments()).toBe(0)
    expect(await db.collection('orders').find().toArray()).toMatchObject([{ quantity: 2 }])
    expect(await db.collection('stock').find().toArray()).toEqual([{ _id: 'mug', left: 3 }])
  })
})

describe('dead-letters-and-redrive', () => {
  const example = 'dead-letters-and-redrive'

  it('lets the others pass, and sends the poison again with the mended transform', async () => {
    examples.copy(example)
    const env = examples.environment(example)
    const next = await examples.inbox(env.QUEUE)
    const program = examples.start(example, env)
    await program.said(/^running/m)
    await examples.script(example, 'write-orders', env)
    expect(await customerAndTotal(next)).toEqual(['Ada', 10])
    expect(await customerAndTotal(next)).toEqual(['Cleo', 20])
    await program.said(/^failed in transform: TypeError: .*\ndead letter of \w+$/m)
    expect(await examples.script(example, 'redrive', env)).toBe('1 sent again, 0 failed again, 0 remaining\n')
    expect(await customerAndTotal(next)).toEqual(['Bob', 0])
    expect(await examples.script(example, 'redrive', env)).toBe('0 sent again, 0 failed again, 0 remaining\n')
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  })

  it('stops when nearly everything is poison: the failure that was one too many is no letter', async () => {
    const env = examples.environment(example)
    const program = examples.start(example, env)
    await program.said(/^running/m)
    const orders = examples.client.db(env.DATABASE).collection('orders')
    await orders.insertMany(Array.from({ length: 5 }, (_, n) => ({ n })))
    await expect(program.said(/^its end$/m)).rejects.toThrow('CDC_CIRCUIT_OPEN')
    expect(await program.stop()).toMatchObject({ code: 1 })
    const redriven = await examples.script(example, 'redrive', env)
    expect(redriven).toBe('4 sent again, 0 failed again, 0 remaining\n')
  })

  async function customerAndTotal(next: () => Promise<Message>): Promise<[string, number]> {
    const { customer, total } = JSON.parse((await next()).content.toString())
    return [customer, total]
  }
})

describe('bring-your-own-sink', () => {
  it('passes the contract of sinks', async () => {
    examples.copy('bring-your-own-sink')
    expect(await examples.script('bring-your-own-sink', 'test')).toMatch(/^\W+pass 8$/m)
  })

  it('posts a change to the endpoint, and stops on a signal', async () => {
    const posted = new EventEmitter()
    const posts = on(posted, 'post')
    const server = createServer(async (request, response) => {
      posted.emit('post', { body: await json(request), id: request.headers['idempotency-key'] })
      response.end()
    }).listen(0)
    examples.afterwards(async () => server.close())
    const env = examples.environment('bring-your-own-sink')
    const ENDPOINT = `http://localhost:${(server.address() as AddressInfo).port}`
    const program = examples.start('bring-your-own-sink', { ...env, ENDPOINT })
    await program.said(/^running/m)
    await examples.client.db(env.DATABASE).collection('orders').insertOne({ total: 12.5 })
    const [post] = (await posts.next()).value
    expect(post).toEqual({
      id: expect.any(String),
      body: expect.objectContaining({
        operationType: 'insert',
        fullDocument: expect.objectContaining({ total: 12.5 }),
      }),
    })
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  })
})

describe('fastify-service', () => {
  it('tells its health and its numbers, delivers, and stops on a signal', async () => {
    examples.copy('fastify-service')
    const service = await examples.serve('fastify-service')
    const stats = await (await fetch(`${service.address}/stats`)).json()
    expect(stats).toMatchObject({ state: 'running', published: 0 })
    await delivers(service)
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('fastify-service'))
})

describe('express-service', () => {
  it('tells its health and its metrics, delivers, and stops on a signal', async () => {
    examples.copy('express-service')
    const service = await examples.serve('express-service')
    const metrics = await (await fetch(`${service.address}/metrics`)).text()
    expect(metrics).toContain('# TYPE cdc_ready gauge\ncdc_ready 1\n')
    expect(metrics).toMatch(/^(# TYPE (\w+) (gauge|counter)\n\2 [\d.]+\n)+$/)
    await delivers(service)
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('express-service'))
})

describe('nestjs-module', () => {
  it('compiles, tells its health, delivers, and stops on a signal', async () => {
    examples.copy('nestjs-module')
    await examples.script('nestjs-module', 'build')
    await delivers(await examples.serve('nestjs-module'))
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('nestjs-module'))
})

describe('llm-twin-service', () => {
  it('publishes documents of its three collections, and none of the users', async () => {
    examples.copy('llm-twin-service')
    const { program, address, db, next } = await examples.serve('llm-twin-service')
    await db.collection('users').insertOne({ name: 'Ada' })
    const articles = db.collection('articles')
    const { insertedId: _id } = await articles.insertOne({ link: 'https://example.org/1', platform: 'medium' })
    const article = { link: 'https://example.org/1', platform: 'medium', type: 'articles', entry_id: _id.toHexString() }
    expect(operationAndBody(await next())).toEqual(['insert', article])
    await articles.updateOne({ _id }, { $set: { platform: 'substack' } })
    expect(operationAndBody(await next())).toEqual(['update', { ...article, platform: 'substack' }])
    await articles.deleteOne({ _id })
    expect(operationAndBody(await next())).toEqual(['delete', { type: 'articles', entry_id: article.entry_id }])
    for (const type of ['posts', 'repositories']) {
      await db.collection(type).insertOne({})
      expect(operationAndBody(await next())).toEqual(['insert', expect.objectContaining({ type })])
    }
    expect((await fetch(`${address}/live`)).status).toBe(200)
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('llm-twin-service'))

  it('names the variable that is missing', async () => {
    const ending = examples.run('llm-twin-service', { MONGODB_URI: '', AMQP_URL: '' })
    await expect(ending).rejects.toThrow('Set the environment variable MONGODB_URI')
  })
})

function operationAndBody({ properties, content }: Message): [string, unknown] {
  return [properties.headers?.['x-cdc-operation'], JSON.parse(content.toString())]
}
