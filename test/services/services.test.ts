import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type GetMessage } from 'amqplib'
import { MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type MongoService, type RabbitService, startMongo, startRabbit } from '../../scripts/services/index.mjs'
import { queuesWrittenDown } from '../integration/support/written-down.js'

const MAIN = fileURLToPath(new URL('../../scripts/services/main.mjs', import.meta.url))
const PARENT = fileURLToPath(new URL('parent-to-kill.mjs', import.meta.url))

// These tests kill and freeze servers: never one that somebody else runs.
delete process.env.MONGODB_URI
delete process.env.AMQP_URL

afterEach(() => vi.unstubAllEnvs())

describe('A single MongoDB node', () => {
  let mongo: MongoService

  beforeAll(async () => {
    mongo = await startMongo()
  })
  afterAll(() => mongo.stop())

  test('serves a change stream', async () => {
    await using client = new MongoClient(mongo.uri)
    const stream = client.db('shop').watch()
    expect(await stream.tryNext()).toBeNull() // it stands
    await client.db('shop').collection('orders').insertOne({ total: 1 })
    expect(await stream.next()).toMatchObject({ operationType: 'insert' })
    await stream.close()
  })

  test('keeps its data and its port through SIGKILL and a restart', async () => {
    const [node] = mongo.nodes
    await using client = new MongoClient(mongo.uri)
    const orders = client.db('shop').collection<{ _id: string }>('orders')
    await orders.insertOne({ _id: 'kept' }, { writeConcern: { w: 'majority', journal: true } })
    const { pid } = node!

    await node!.kill()
    expect(node!.running).toBe(false)
    expect(isAlive(pid)).toBe(false)
    await node!.restart()

    expect(node!.pid).not.toBe(pid)
    expect(await orders.findOne({ _id: 'kept' })).toEqual({ _id: 'kept' })
  })

  test('answers nothing while it is paused, and again when it is resumed', async () => {
    const [node] = mongo.nodes
    await using client = new MongoClient(node!.uri)
    await using impatient = new MongoClient(node!.uri, { socketTimeoutMS: 2_000, retryReads: false })
    await impatient.db('admin').command({ ping: 1 })
    node!.pause()
    await expect(impatient.db('admin').command({ ping: 1 })).rejects.toThrow(/timed out/)
    node!.resume()
    expect(await client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 })
  })

  test('steps down and is elected again', async () => {
    expect(await mongo.stepDown()).toBe(mongo.nodes[0])
  })

  test('can be used through MONGODB_URI, but not be killed by who uses it', async () => {
    vi.stubEnv('MONGODB_URI', mongo.uri)
    const external = await startMongo()
    expect(external).toMatchObject({ external: true, uri: mongo.uri })
    expect((await external.primary()).port).toBe(mongo.nodes[0]!.port)
    await expect(external.nodes[0]!.kill()).rejects.toThrow('`kill()` works on servers of our own only')
    expect(() => external.nodes[0]!.pause()).toThrow('MONGODB_URI is set')
    await external.stop()
    expect(mongo.nodes[0]!.running).toBe(true)
  })

  test('frozen, is stopped all the same, and its folder goes with it', async () => {
    const folder = folderOf(mongo.nodes[0]!.pid)
    expect(existsSync(folder)).toBe(true)
    mongo.nodes[0]!.pause()
    await mongo.stop()
    await mongo.stop()
    expect(existsSync(folder)).toBe(false)
  })
})

test('A MongoDB with `auth` refuses who has no password and lets its admin in', async () => {
  const mongo = await startMongo({ auth: true, oplogSizeMb: 32 })
  try {
    await using stranger = new MongoClient(mongo.uri)
    await expect(stranger.db('shop').collection('orders').findOne()).rejects.toThrow(/requires authentication/)
    await using admin = new MongoClient(mongo.adminUri!)
    expect(await admin.db('shop').collection('orders').findOne()).toBeNull()
    const stats = await admin.db('local').command({ collStats: 'oplog.rs' })
    expect(stats.maxSize).toBe(32 * 1024 * 1024)
  } finally {
    await mongo.stop()
  }
})

describe('A MongoDB set of three', () => {
  let mongo: MongoService

  beforeAll(async () => {
    mongo = await startMongo({ nodes: 3 })
  })
  afterAll(() => mongo.stop())

  test('hands over to another primary at a step-down', async () => {
    const before = await mongo.primary()
    const after = await mongo.stepDown()
    expect(after.port).not.toBe(before.port)
    expect(await mongo.primary()).toBe(after)
  })

  test('elects another primary when its own is killed, and takes the old one back with its data', async () => {
    await using client = new MongoClient(mongo.uri)
    const orders = client.db('shop').collection<{ _id: string }>('orders')
    await orders.insertOne({ _id: 'before' }, { writeConcern: { w: 'majority' } })
    const old = await mongo.primary()
    await old.kill()
    expect((await mongo.primary()).port).not.toBe(old.port)
    await orders.insertOne({ _id: 'meanwhile' }, { writeConcern: { w: 'majority' } })
    await old.restart()

    await using direct = new MongoClient(old.uri, { readPreference: 'secondaryPreferred' })
    await vi.waitFor(
      async () => {
        const ids = await direct.db('shop').collection<{ _id: string }>('orders').distinct('_id')
        expect(ids).toEqual(['before', 'meanwhile'])
      },
      { timeout: 10_000 },
    )
  })

  test('elects another primary when its own is frozen', async () => {
    const frozen = await mongo.primary()
    frozen.pause()
    expect((await mongo.primary()).port).not.toBe(frozen.port)
    frozen.resume()
    expect((await mongo.primary()).running).toBe(true)
  })
})

describe('A RabbitMQ node', () => {
  let rabbit: RabbitService

  beforeAll(async () => {
    rabbit = await startRabbit({ config: { channel_max: '77' } })
  })
  afterAll(() => rabbit.stop())

  test('gives every test file a vhost of its own', async () => {
    const [one, two] = [await rabbit.vhost(), await rabbit.vhost('two / 2')]
    const connection = await connect(two.url)
    const channel = await connection.createChannel()
    await channel.assertQueue('q')
    await connection.close()

    expect(await rabbit.rabbitmqctl('list_queues', '-p', two.name, 'name')).toContain('q\n')
    expect(await rabbit.rabbitmqctl('list_queues', '-p', one.name, 'name')).not.toContain('q\n')
    await Promise.all([one.remove(), two.remove()])
    await expect(connect(one.url)).rejects.toThrow()
  })

  test('tells what rabbitmqctl complained about', async () => {
    await expect(rabbit.rabbitmqctl('delete_vhost', 'unheard-of')).rejects.toThrow('does not exist')
  })

  test('obeys extra configuration', async () => {
    const connection = await connect(rabbit.url)
    const { channelMax } = connection.connection as unknown as { channelMax: number }
    expect(channelMax).toBe(77)
    await connection.close()
  })

  test('keeps a persistent message through SIGKILL and a restart on the same port', async () => {
    await publishPersistent(rabbit.url, 'kept')
    await queuesWrittenDown(rabbit)
    const { pid, port } = rabbit
    await rabbit.kill()
    expect(isAlive(pid)).toBe(false)
    await expect(connect(rabbit.url)).rejects.toThrow('ECONNREFUSED')
    await rabbit.restart()

    expect(rabbit.port).toBe(port)
    const connection = await connect(rabbit.url)
    const channel = await connection.createChannel()
    const message = (await channel.get('durable')) as GetMessage
    expect(message.content.toString()).toBe('kept')
    await connection.close()
  })

  test('starts again after somebody else has killed it', async () => {
    const { pid } = rabbit
    process.kill(pid, 'SIGKILL')
    while (isAlive(pid)); // nothing else runs meanwhile: that it is gone is told only later
    await rabbit.restart()

    expect(rabbit.pid).not.toBe(pid)
    const connection = await connect(rabbit.url)
    await connection.close()
  })

  test('can be used through AMQP_URL, but not be killed by who uses it', async () => {
    vi.stubEnv('AMQP_URL', rabbit.url)
    const external = await startRabbit()
    expect(external).toMatchObject({ external: true, url: rabbit.url, port: rabbit.port })
    await expect(external.kill()).rejects.toThrow('`kill()` works on a broker of our own only')
    await expect(external.rabbitmqctl('status')).rejects.toThrow('AMQP_URL is set')
    await external.stop()
  })

  test('`npm run services` prints how to reach the servers and stops them at Ctrl+C with exit code 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'services-test-'))
    // The broker from here saves its start; the MongoDB is the program's own.
    const main = spawn(process.execPath, [MAIN], { env: { ...process.env, AMQP_URL: rabbit.url, TMPDIR: folder } })
    const printed = await outputUntil(main, /export AMQP_URL='.*'\n/)
    const uri = /export MONGODB_URI='(.*)'/.exec(printed)![1]!
    await using client = new MongoClient(uri)
    expect(await client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 })
    await client.close()
    const ended = new Promise(resolve => main.once('exit', resolve))
    main.kill('SIGINT')
    expect(await ended).toBe(0)
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
  })

  test('frozen, is stopped all the same, and its folder and its epmd go with it', async () => {
    const folder = folderOf(rabbit.pid)
    const epmd = epmdOf(rabbit.pid)
    expect(isAlive(epmd)).toBe(true)
    rabbit.pause()
    await rabbit.stop()
    await rabbit.stop()
    expect([isAlive(rabbit.pid), isAlive(epmd), existsSync(folder)]).toEqual([false, false, false])
  })
})

test('Nothing is left of either service when the process that started them is killed with SIGKILL', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'services-test-'))
  const parent = spawn(process.execPath, [PARENT], { env: { ...process.env, TMPDIR: folder } })
  const pids = JSON.parse(await outputUntil(parent, /\n/)) as number[]
  pids.push(epmdOf(pids[0]!))
  expect(pids.map(isAlive)).toEqual(pids.map(() => true))
  expect(readdirSync(folder)).toHaveLength(2)

  parent.kill('SIGKILL')

  await vi.waitFor(
    () => {
      expect(pids.filter(isAlive)).toEqual([])
      expect(readdirSync(folder)).toEqual([])
    },
    { timeout: 10_000 },
  )
  rmSync(folder, { recursive: true })
})

async function publishPersistent(url: string, body: string): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('durable', { durable: true })
  await new Promise<void>((resolve, reject) => {
    const settle = (error: unknown): void => (error ? reject(error as Error) : resolve())
    channel.sendToQueue('durable', Buffer.from(body), { persistent: true }, settle)
  })
  await connection.close()
}

function outputUntil(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    let complaints = ''
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (pattern.test(text)) resolve(text)
    })
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      complaints += chunk
    })
    child.once('exit', code => reject(new Error(`ended with ${code}: ${complaints}`)))
  })
}

/** A process that only waits for its parent to take notice of its end counts as gone. */
function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return false
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(file, 'utf8'))
  } catch {
    return false
  }
}

/** The service's own folder in the temporary directory: its processes run in it. */
function folderOf(pid: number): string {
  const arguments_ = readFileSync(`/proc/${pid}/environ`, 'utf8') + readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  return /[^\0='"]*\/cdc-(?:mongo|rabbit)-\w{6}/.exec(arguments_)![0]
}

function epmdOf(beam: number): number {
  const port = /(?:^|\0)ERL_EPMD_PORT=(\d+)/.exec(readFileSync(`/proc/${beam}/environ`, 'utf8'))![1]
  const found = readdirSync('/proc').find(name => {
    const file = `/proc/${name}/cmdline`
    return /^\d+$/.test(name) && existsSync(file) && /epmd\0.*\0-port\0(\d+)/.exec(readText(file))?.[1] === port
  })
  return Number(found)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
