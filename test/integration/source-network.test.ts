import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Collection, MongoClient } from 'mongodb'
import { build } from 'tsup'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MongoService, startMongo, type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../src/source/source-options.js'
import { connect, type Reading, reading } from './support/mongo.js'

const READERS = ['command', 'driver'] as const

let mongo: MongoService
let direct: MongoClient
beforeAll(async () => {
  mongo = await startMongo()
  direct = await connect(mongo.uri)
})
afterAll(async () => {
  await direct?.close()
  await mongo?.stop()
})

/** What a test has for itself, so that most of them can wait side by side. */
interface Place {
  readonly proxy: TcpProxy
  readonly uri: string
  /** Through the proxy. */
  readonly client: MongoClient
  /** Past the proxy. */
  readonly orders: Collection<{ _id: number }>
  sourceOf(options: Partial<ChangeStreamSourceOptions>): ChangeStreamSource
}

let places = 0

async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const database = `shop_${places++}`
  const proxy = await tcpProxy(mongo.nodes[0]?.port as number)
  const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`
  // A monitor that looks seldom: what is noticed here is noticed by the source.
  const client = new MongoClient(uri, { heartbeatFrequencyMS: 60_000, serverMonitoringMode: 'poll' })
  const watched = { database, collections: ['orders'], maxAwaitTimeMS: 200 } as const
  try {
    const sourceOf = (options: Partial<ChangeStreamSourceOptions>) => new ChangeStreamSource({ ...watched, ...options })
    await use({ proxy, uri, client, orders: direct.db(database).collection('orders'), sourceOf })
  } finally {
    proxy.mode = 'pass'
    await direct.db(database).dropDatabase()
    await Promise.all([client.close(), proxy.close()])
  }
}

/** Resolves for all who call it when the last one has come and `then` is done. */
function meeting(expected: number, then: () => Promise<void>): () => Promise<void> {
  let missing = expected
  let held: () => void = () => {}
  const arrived = new Promise<void>(resolve => {
    held = resolve
  }).then(then)
  return async () => {
    missing -= 1
    if (missing === 0) held()
    await arrived
  }
}

/** The first silence in which the server does not answer: a busy one may have been slow before, and has answered. */
function unanswered(source: ChangeStreamSource): Promise<{ silentMs: number; answered: boolean }> {
  return new Promise(resolve => source.on('watchdog', silence => silence.answered || resolve(silence)))
}

const idsOf = (stream: Reading): unknown[] =>
  stream.records.flatMap(({ event }) => (event ? [(event.documentKey as { _id: number })._id] : []))

it.each(READERS)('twenty resets of the connection lose nothing and repeat nothing with the %s reader', reader =>
  withPlace(async ({ proxy, client, orders, sourceOf }) => {
    await reading(sourceOf({ client, reader }), async stream => {
      for (let n = 0; n < 60; n++) {
        await orders.insertOne({ _id: n })
        if (n % 3 === 0) proxy.reset()
        if (n % 10 === 0) await stream.events(n)
      }
      await stream.events(60)
      expect(idsOf(stream)).toEqual(Array.from({ length: 60 }, (_, n) => n))
    })
  }),
)

// One server for both readers, which are tried at once: it is the time that counts here.

it('a server that is down for ten seconds is waited for by either reader', async () => {
  const node = mongo.nodes[0] as MongoService['nodes'][number]
  let back = Number.NaN
  const outage = meeting(READERS.length, async () => {
    await node.kill()
    await new Promise(resolve => setTimeout(resolve, 10_000)) // what is tested is the time itself
  })
  const restarted = meeting(READERS.length, async () => {
    await node.restart()
    back = performance.now()
  })
  const readOn = (reader: (typeof READERS)[number]) =>
    withPlace(async ({ orders, sourceOf }) => {
      const source = sourceOf({ client: direct, reader })
      let retries = 0
      source.on('retry', () => retries++)
      await reading(source, async stream => {
        await orders.insertOne({ _id: 1 })
        await stream.events(1)
        const rest = stream.events(2)
        await outage()
        const health = source.health()
        await restarted()
        expect(health).toMatchObject({ ok: false, reason: 'reconnecting' })
        await orders.insertOne({ _id: 2 })
        await rest
        expect(performance.now() - back).toBeLessThan(15_000)
        expect(idsOf(stream)).toEqual([1, 2])
        expect(retries).toBeGreaterThan(0)
        expect(source.health().ok).toBe(true)
      })
    })
  try {
    await Promise.all(READERS.map(readOn))
  } finally {
    if (!node.running) await node.restart()
  }
})

it('a server that is frozen is noticed by either reader, and read on when it thaws', async () => {
  const node = mongo.nodes[0] as MongoService['nodes'][number]
  const frozen = meeting(READERS.length, async () => node.pause())
  const thawed = meeting(READERS.length, async () => node.resume())
  const readOn = (reader: (typeof READERS)[number]) =>
    withPlace(async ({ client, orders, sourceOf }) => {
      const source = sourceOf({ client, reader, watchdogMs: 200 })
      await reading(source, async stream => {
        await orders.insertOne({ _id: 1 })
        await stream.events(1)
        const rest = stream.events(2)
        const silent = unanswered(source)
        await frozen()
        const silence = await silent
        await thawed()
        expect(silence).toMatchObject({ answered: false })
        await orders.insertOne({ _id: 2 })
        await rest
        expect(idsOf(stream)).toEqual([1, 2])
      })
    })
  try {
    await Promise.all(READERS.map(readOn))
  } finally {
    node.resume()
  }
})

it('a stop while the connection is sought in a black hole takes at most the time of a close', () =>
  withPlace(async ({ proxy, uri, sourceOf }) => {
    proxy.mode = 'hole'
    const source = sourceOf({ uri })
    const abort = new AbortController()
    const first = source.open({ signal: abort.signal }).next()
    await new Promise(resolve => setImmediate(resolve))
    const stopped = performance.now()
    abort.abort()
    expect(await first).toEqual({ done: true, value: undefined })
    await source.close()
    expect(performance.now() - stopped).toBeLessThan(2_500)
  }))

// From here on tests wait side by side.

describe.concurrent.each(READERS)('in a black hole, with the %s reader,', reader => {
  it('the watchdog notices the silence, and reading goes on when the hole heals', () =>
    withPlace(async ({ proxy, client, orders, sourceOf }) => {
      const source = sourceOf({ client, reader, watchdogMs: 200 })
      await reading(source, async stream => {
        await orders.insertOne({ _id: 1 })
        await stream.events(1)
        const rest = stream.events(2)
        const retry = once(source as never, 'retry')
        const silent = unanswered(source)
        proxy.mode = 'hole'
        const silence = await silent
        expect(silence).toMatchObject({ answered: false })
        await retry
        expect(source.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
        await orders.insertOne({ _id: 2 })
        proxy.mode = 'pass'
        await rest
        expect(idsOf(stream)).toEqual([1, 2])
      })
    }))

  it('nothing is told of one that heals before the patience ends, and nothing is lost', () =>
    withPlace(async ({ proxy, client, orders, sourceOf }) => {
      const source = sourceOf({ client, reader })
      const told: string[] = []
      for (const name of ['retry', 'watchdog', 'opened'] as const) source.on(name, () => told.push(name))
      await reading(source, async stream => {
        await orders.insertOne({ _id: 1 })
        await stream.events(1)
        proxy.mode = 'hole'
        await orders.insertOne({ _id: 2 })
        proxy.mode = 'pass'
        await stream.events(2)
        expect(idsOf(stream)).toEqual([1, 2])
        expect(told).toEqual(['opened'])
      })
    }))

  it.each(['client', 'uri'] as const)('a stop takes about three seconds (%s)', given =>
    withPlace(async ({ proxy, client, uri, sourceOf }) => {
      const source = sourceOf({ ...(given === 'uri' ? { uri } : { client }), reader })
      const abort = new AbortController()
      const batches = source.open({ signal: abort.signal })
      await batches.next()
      await batches.next()
      const next = batches.next()
      proxy.mode = 'hole'
      const stopped = performance.now()
      abort.abort()
      expect((await next).done).toBe(true)
      await source.close()
      expect(performance.now() - stopped).toBeLessThan(3_500)
    }),
  )
})

describe.concurrent('a process that has closed its source', () => {
  let folder: string
  beforeAll(async () => {
    // Inside of the project, so that the packages are found.
    folder = await mkdtemp(join(process.cwd(), 'node_modules', '.source-'))
    await build({
      entry: { source: 'src/source/change-stream-source.ts' },
      outDir: folder,
      format: 'esm',
      outExtension: () => ({ js: '.mjs' }),
      config: false,
      silent: true,
    })
  })
  afterAll(async () => await rm(folder, { recursive: true, force: true }))

  /** Opens a source, prints a line when it stands and one when it is closed; is closed by SIGTERM. */
  function child(uri: string): ChildProcess {
    const script = `
      import { ChangeStreamSource } from ${JSON.stringify(join(folder, 'source.mjs'))}
      const abort = new AbortController()
      process.once('SIGTERM', () => abort.abort())
      const source = new ChangeStreamSource({ uri: ${JSON.stringify(uri)}, maxAwaitTimeMS: 200, database: 'shop' })
      let first = true
      for await (const batch of source.open({ signal: abort.signal })) {
        if (first) console.log('stands')
        first = false
      }
      await source.close()
      console.log('closed')`
    return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  it.each(['healthy', 'in a black hole'])('ends by itself, also when the connection is %s', state =>
    withPlace(async ({ proxy, uri }) => {
      const running = child(uri)
      const lines = createInterface({ input: running.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
      try {
        expect((await lines.next()).value).toBe('stands')
        if (state !== 'healthy') proxy.mode = 'hole'
        running.kill('SIGTERM')
        expect((await lines.next()).value).toBe('closed')
        const closed = performance.now()
        const [code] = await once(running, 'exit')
        expect(code).toBe(0)
        expect(performance.now() - closed).toBeLessThan(6_000)
      } finally {
        running.kill('SIGKILL')
      }
    }),
  )
})
