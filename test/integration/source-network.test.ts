import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { MongoClient } from 'mongodb'
import { build } from 'tsup'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type MongoService, startMongo, type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../src/source/source-options.js'
import { connect, type Reading, reading } from './support/mongo.js'

let mongo: MongoService
let direct: MongoClient
let proxy: TcpProxy
let proxied: MongoClient
beforeAll(async () => {
  mongo = await startMongo()
  direct = await connect(mongo.uri)
})
afterAll(async () => {
  await direct?.close()
  await mongo?.stop()
})
beforeEach(async () => {
  proxy = await tcpProxy(mongo.nodes[0]?.port as number)
  // A monitor that looks seldom: what is noticed here is noticed by the source.
  proxied = new MongoClient(proxiedUri(), { heartbeatFrequencyMS: 60_000, serverMonitoringMode: 'poll' })
})
afterEach(async () => {
  proxy.mode = 'pass'
  await direct.db('shop').dropDatabase()
  await Promise.all([proxied.close(), proxy.close()])
})

const proxiedUri = (): string => `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`
const orders = () => direct.db('shop').collection<{ _id: number }>('orders')
const watched = { database: 'shop', collections: ['orders'], maxAwaitTimeMS: 200 } as const

function sourceOf(options: Partial<ChangeStreamSourceOptions>): ChangeStreamSource {
  return new ChangeStreamSource({ ...watched, ...options })
}

const idsOf = (stream: Reading): unknown[] =>
  stream.records.flatMap(({ event }) => (event ? [(event.documentKey as { _id: number })._id] : []))

describe.each(['command', 'driver'] as const)('with the %s reader', reader => {
  it('twenty resets of the connection lose nothing and repeat nothing', async () => {
    const source = sourceOf({ client: proxied, reader })
    await reading(source, async stream => {
      for (let n = 0; n < 60; n++) {
        await orders().insertOne({ _id: n })
        if (n % 3 === 0) proxy.reset()
        if (n % 10 === 0) await stream.events(n)
      }
      await stream.events(60)
      expect(idsOf(stream)).toEqual(Array.from({ length: 60 }, (_, n) => n))
    })
  })

  it('a server that is down for ten seconds is waited for', async () => {
    const node = mongo.nodes[0] as MongoService['nodes'][number]
    const source = sourceOf({ client: direct, reader })
    let retries = 0
    source.on('retry', () => retries++)
    await reading(source, async stream => {
      await orders().insertOne({ _id: 1 })
      await stream.events(1)
      const rest = stream.events(2)
      await node.kill()
      try {
        await new Promise(resolve => setTimeout(resolve, 10_000)) // what is tested is the time itself
        expect(source.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
      } finally {
        await node.restart()
      }
      const back = performance.now()
      await orders().insertOne({ _id: 2 })
      await rest
      expect(performance.now() - back).toBeLessThan(15_000)
      expect(idsOf(stream)).toEqual([1, 2])
      expect(retries).toBeGreaterThan(0)
      expect(source.health().ok).toBe(true)
    })
  })

  it('a server that is frozen is noticed, and read on when it thaws', async () => {
    const node = mongo.nodes[0] as MongoService['nodes'][number]
    const source = sourceOf({ client: proxied, reader, watchdogMs: 200 })
    await reading(source, async stream => {
      await orders().insertOne({ _id: 1 })
      await stream.events(1)
      const rest = stream.events(2)
      node.pause()
      try {
        const [silence] = await once(source as never, 'watchdog')
        expect(silence).toMatchObject({ answered: false })
      } finally {
        node.resume()
      }
      await orders().insertOne({ _id: 2 })
      await rest
      expect(idsOf(stream)).toEqual([1, 2])
    })
  })

  it('a black hole is noticed by the watchdog and left when it heals', async () => {
    const source = sourceOf({ client: proxied, reader, watchdogMs: 200 })
    await reading(source, async stream => {
      await orders().insertOne({ _id: 1 })
      await stream.events(1)
      const rest = stream.events(2)
      const retry = once(source as never, 'retry')
      proxy.mode = 'hole'
      const [silence] = await once(source as never, 'watchdog')
      expect(silence).toMatchObject({ answered: false })
      await retry
      expect(source.health()).toMatchObject({ ok: false, reason: 'reconnecting' })
      await orders().insertOne({ _id: 2 })
      proxy.mode = 'pass'
      await rest
      expect(idsOf(stream)).toEqual([1, 2])
    })
  })

  it.each(['client', 'uri'] as const)('a stop inside of a black hole takes about three seconds (%s)', async given => {
    const source = sourceOf({ ...(given === 'uri' ? { uri: proxiedUri() } : { client: proxied }), reader })
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
  })
})

it('a stop while the connection is sought in a black hole takes at most the time of a close', async () => {
  proxy.mode = 'hole'
  const source = sourceOf({ uri: proxiedUri() })
  const abort = new AbortController()
  const first = source.open({ signal: abort.signal }).next()
  await new Promise(resolve => setImmediate(resolve))
  const stopped = performance.now()
  abort.abort()
  expect(await first).toEqual({ done: true, value: undefined })
  await source.close()
  expect(performance.now() - stopped).toBeLessThan(2_500)
})

describe('a process that has closed its source', () => {
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
  function child(): ChildProcess {
    const script = `
      import { ChangeStreamSource } from ${JSON.stringify(join(folder, 'source.mjs'))}
      const abort = new AbortController()
      process.once('SIGTERM', () => abort.abort())
      const source = new ChangeStreamSource({ uri: ${JSON.stringify(proxiedUri())}, maxAwaitTimeMS: 200, database: 'shop' })
      let first = true
      for await (const batch of source.open({ signal: abort.signal })) {
        if (first) console.log('stands')
        first = false
      }
      await source.close()
      console.log('closed')`
    return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  }

  it.each(['healthy', 'in a black hole'])('ends by itself, also when the connection is %s', async state => {
    const running = child()
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
  })
})
