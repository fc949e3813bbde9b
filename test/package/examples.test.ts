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
  }, 120_000) // the compiler's part of it is long on a busy machine

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
