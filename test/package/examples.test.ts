import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import { cpSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { json } from 'node:stream/consumers'
import { promisify } from 'node:util'
import amqp from 'amqplib'
import { type Db, MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type InstalledApp, installApp, type StartedProgram } from './installed-app.js'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

/** What the examples import beside this package and its peers: ours, rather than once more from the registry. */
const LINKED = ['fastify', 'express', '@nestjs', 'reflect-metadata', 'rxjs']

let app: InstalledApp
let client: MongoClient
let connection: amqp.ChannelModel

beforeAll(async () => {
  app = await installApp()
  for (const name of LINKED) symlinkSync(join(root, 'node_modules', name), join(app.folder, 'node_modules', name))
  client = await new MongoClient(inject('mongoUri')).connect()
  connection = await amqp.connect(inject('amqpUrl'))
}, 180_000)

afterAll(async () => {
  await connection?.close()
  await client?.close()
  app?.remove()
})

/** Removes what a test has made, the last first. */
const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

/** Copies an example out of the installed package, as its README says. */
function copy(example: string): string {
  const folder = join(app.folder, example)
  cpSync(join(app.folder, 'node_modules/mongo-rabbit-cdc/examples', example), folder, { recursive: true })
  return folder
}

/** A script of the example; rejects when it fails. */
async function script(example: string, name: string): Promise<string> {
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: '1' }
  return (await run('npm', ['run', '--silent', name], { cwd: join(app.folder, example), env })).stdout
}

/** Starts what `npm start` starts, without npm between us and its signals. */
function start(example: string, env: Record<string, string>): StartedProgram {
  const { scripts } = JSON.parse(readFileSync(join(app.folder, example, 'package.json'), 'utf8'))
  const program = app.start(join(example, scripts.start.replace(/^node /, '')), env)
  cleanUps.push(() => program.stop())
  return program
}

interface Service {
  readonly program: StartedProgram
  readonly address: string
  readonly db: Db
  /** The next message of its queue. */
  next(): Promise<amqp.Message>
}

/** A name for the database and the queue of one run, of which nothing stays. */
function ownName(example: string): string {
  const own = `${example}-${randomUUID().slice(0, 8)}`
  const checkpoints = client.db('cdc').collection<{ _id: string }>('checkpoints')
  cleanUps.push(
    () => client.db(own).dropDatabase(),
    () => checkpoints.deleteMany({ _id: { $in: [own, `${own} to HTTP`] } }),
  )
  return own
}

/** The environment of a service that has this name to itself. */
function environment(own: string): Record<string, string> {
  return { MONGODB_URI: inject('mongoUri'), AMQP_URL: inject('amqpUrl'), DATABASE: own, QUEUE: own, PORT: '0' }
}

/** Starts an example and waits until it is ready. */
async function serve(example: string): Promise<Service> {
  const own = ownName(example)
  const next = await inbox(own)
  const program = start(example, environment(own))
  const [, port] = await program.said(/http:\/\/\S*:(\d+)/)
  const address = `http://localhost:${port}`
  await healthy(address)
  return { program, address, db: client.db(own), next }
}

/** Consumes a queue that is removed after the test. */
async function inbox(queue: string): Promise<() => Promise<amqp.Message>> {
  const channel = await connection.createChannel()
  const arrived = new EventEmitter()
  const messages = on(arrived, 'message')
  await channel.assertQueue(queue)
  await channel.consume(queue, message => arrived.emit('message', message), { noAck: true })
  cleanUps.push(async () => {
    await channel.deleteQueue(queue)
    await channel.close()
  })
  return async () => (await messages.next()).value[0]
}

/** Asks, as a platform does, until the service is ready; what it answers before must be 503. */
async function healthy(address: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${address}/health`)
    const health = await response.json()
    if (response.status === 200) {
      expect(health).toMatchObject({ ready: true, state: 'running' })
      return
    }
    expect(response.status).toBe(503)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** What all services do: a change arrives, and a signal ends them cleanly. */
async function delivers({ db, next, program }: Service): Promise<void> {
  await db.collection('orders').insertOne({ total: 12.5 })
  const message = await next()
  expect(message.properties.type).toBe('insert')
  expect(JSON.parse(message.content.toString()).fullDocument.total).toBe(12.5)
  expect(await program.stop()).toEqual({ code: 0, stderr: '' })
}

/** What no waiting heals ends the process, for the platform to see. */
async function failsWithoutAccess(example: string, program: string): Promise<void> {
  const url = new URL(inject('amqpUrl'))
  url.password = 'wrong'
  const ending = app.node(join(example, program), { ...environment(ownName(example)), AMQP_URL: url.href })
  await expect(ending).rejects.toMatchObject({ code: 1 })
  const { stdout, stderr } = await ending.catch(error => error)
  expect(stdout + stderr).toContain('CDC_BROKER_AUTH_FAILED')
}

describe('transforms-and-tests', () => {
  it('passes its own tests', async () => {
    copy('transforms-and-tests')
    expect(await script('transforms-and-tests', 'test')).toMatch(/^\W+pass 5$/m)
  })
})

describe('bring-your-own-sink', () => {
  it('passes the contract of sinks', async () => {
    copy('bring-your-own-sink')
    expect(await script('bring-your-own-sink', 'test')).toMatch(/^\W+pass 8$/m)
  })

  it('posts a change to the endpoint, and stops on a signal', async () => {
    const posted = new EventEmitter()
    const posts = on(posted, 'post')
    const server = createServer(async (request, response) => {
      posted.emit('post', { body: await json(request), id: request.headers['idempotency-key'] })
      response.end()
    }).listen(0)
    cleanUps.push(async () => server.close())
    const own = ownName('bring-your-own-sink')
    const ENDPOINT = `http://localhost:${(server.address() as AddressInfo).port}`
    const program = start('bring-your-own-sink', { MONGODB_URI: inject('mongoUri'), DATABASE: own, ENDPOINT })
    await program.said(/^running/m)
    await client.db(own).collection('orders').insertOne({ total: 12.5 })
    const [post] = (await posts.next()).value
    expect(post).toMatchObject({ body: { operationType: 'insert', fullDocument: { total: 12.5 } } })
    expect(post.id).toEqual(expect.any(String))
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  })
})

describe('fastify-service', () => {
  it('tells its health and its numbers, delivers, and stops on a signal', async () => {
    copy('fastify-service')
    const service = await serve('fastify-service')
    const stats = await (await fetch(`${service.address}/stats`)).json()
    expect(stats).toMatchObject({ state: 'running', published: 0 })
    await delivers(service)
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('fastify-service', 'index.js'))
})

describe('express-service', () => {
  it('tells its health and its metrics, delivers, and stops on a signal', async () => {
    copy('express-service')
    const service = await serve('express-service')
    const metrics = await (await fetch(`${service.address}/metrics`)).text()
    expect(metrics).toContain('# TYPE cdc_ready gauge\ncdc_ready 1\n')
    expect(metrics).toMatch(/^(# TYPE (\w+) (gauge|counter)\n\2 [\d.]+\n)+$/)
    await delivers(service)
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('express-service', 'index.js'))
})

describe('nestjs-module', () => {
  it('compiles, tells its health, delivers, and stops on a signal', async () => {
    copy('nestjs-module')
    await script('nestjs-module', 'build')
    await delivers(await serve('nestjs-module'))
  }, 120_000) // the compiler's part of it is long on a busy machine

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('nestjs-module', 'dist/main.js'))
})

describe('llm-twin-service', () => {
  it('publishes documents of its three collections, and none of the users', async () => {
    copy('llm-twin-service')
    const { program, address, db, next } = await serve('llm-twin-service')
    await db.collection('users').insertOne({ name: 'Ada' })
    const articles = db.collection('articles')
    const { insertedId: id } = await articles.insertOne({ link: 'https://example.org/1', platform: 'medium' })
    const identity = { type: 'articles', entry_id: id.toHexString() }
    expect(operationAndBody(await next())).toEqual([
      'insert',
      { link: 'https://example.org/1', platform: 'medium', ...identity },
    ])
    await articles.updateOne({ _id: id }, { $set: { platform: 'substack' } })
    expect(operationAndBody(await next())).toEqual([
      'update',
      { link: 'https://example.org/1', platform: 'substack', ...identity },
    ])
    await articles.deleteOne({ _id: id })
    expect(operationAndBody(await next())).toEqual(['delete', identity])
    for (const type of ['posts', 'repositories']) {
      await db.collection(type).insertOne({})
      expect(operationAndBody(await next())).toEqual(['insert', expect.objectContaining({ type })])
    }
    expect((await fetch(`${address}/live`)).status).toBe(200)
    expect(await program.stop()).toEqual({ code: 0, stderr: '' })
  })

  it('ends with code 1 when RabbitMQ refuses it', () => failsWithoutAccess('llm-twin-service', 'index.js'))

  it('names the variable that is missing', async () => {
    const env = { MONGODB_URI: '', AMQP_URL: '' }
    await expect(app.node('llm-twin-service/index.js', env)).rejects.toThrow('Set the environment variable MONGODB_URI')
  })
})

function operationAndBody({ properties, content }: amqp.Message): [string, unknown] {
  return [properties.headers?.['x-cdc-operation'], JSON.parse(content.toString())]
}
