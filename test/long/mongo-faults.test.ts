import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type MongoService, startMongo, tcpProxy } from '../../scripts/services/index.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import { compareTimes } from '../../src/source/position.js'
import type { ClusterTime } from '../../src/types.js'
import { connect, cursorsOf, eventOf, type Reading, reading } from '../integration/support/mongo.js'
import { until } from '../integration/support/waiting.js'

const READERS = ['command', 'driver'] as const
type ReaderName = (typeof READERS)[number]
type Pair<T> = readonly [T, T]

/** One stream for each reader, side by side: it is the time that is tested here. */
async function withBoth(
  make: (reader: ReaderName) => ChangeStreamSource,
  use: (streams: Pair<Reading>, sources: Pair<ChangeStreamSource>) => Promise<void>,
): Promise<void> {
  const sources = [make('command'), make('driver')] as const
  await reading(sources[0], one => reading(sources[1], other => use([one, other], sources)))
}

/** The ids of the inserts that a stream has given. */
function insertsOf(stream: Reading): unknown[] {
  const inserts = stream.records.filter(({ event }) => event?.operationType === 'insert')
  return inserts.map(record => (eventOf(record).documentKey as { _id: unknown })._id)
}

async function given(streams: readonly Reading[], id: number, ms = 30_000): Promise<void> {
  await Promise.all(streams.map(one => one.until(() => insertsOf(one).includes(id), `the insert of ${id}`, ms)))
}

describe('a replica set of three', () => {
  let mongo: MongoService
  let client: MongoClient
  beforeAll(async () => {
    mongo = await startMongo({ nodes: 3 })
    client = await connect(mongo.uri)
  })
  afterAll(async () => {
    await client?.close()
    await mongo?.stop()
  })
  beforeEach(() =>
    client
      .db('shop')
      .collection('orders')
      .deleteMany({}, { writeConcern: { w: 'majority' } }),
  )
  afterEach(async () => {
    await Promise.all(mongo.nodes.filter(node => !node.running).map(node => node.restart()))
    await mongo.primary()
  })

  const watched = { database: 'shop', collections: ['orders'], maxAwaitTimeMS: 200 }
  const sourceOf = (reader: ReaderName) => new ChangeStreamSource({ ...watched, client, reader })

  async function insert(_id: number, w: 'majority' | 1 = 'majority'): Promise<void> {
    await client.db('shop').collection<{ _id: number }>('orders').insertOne({ _id }, { writeConcern: { w } })
  }

  it('that is down as a whole for 60 seconds is waited for, and what is acknowledged arrives once', () =>
    withBoth(sourceOf, async (streams, sources) => {
      await insert(1)
      await given(streams, 1)
      let retries = 0
      for (const source of sources) source.on('retry', () => retries++)
      await Promise.all(mongo.nodes.map(node => node.kill()))
      const back = pause(60_000).then(async () => {
        const healths = sources.map(source => source.health())
        await Promise.all(mongo.nodes.map(node => node.restart()))
        await mongo.primary()
        await insert(2)
        return healths
      })
      await given(streams, 2, 120_000)
      for (const { ok, reason, since } of await back) {
        expect([ok, reason]).toEqual([false, 'reconnecting'])
        expect(Date.now() - since).toBeGreaterThan(50_000)
      }
      for (const one of streams) expect(insertsOf(one)).toEqual([1, 2])
      for (const source of sources) expect(source.health().ok).toBe(true)
      expect(retries).toBeGreaterThan(6)
    }))

  it('without a majority gives nothing that could be rolled back, and everything that is kept afterwards', () =>
    withBoth(sourceOf, async (streams, [first]) => {
      await insert(1)
      await given(streams, 1)
      const primary = await mongo.primary()
      const others = mongo.nodes.filter(node => node !== primary)
      await Promise.all(others.map(node => node.kill()))
      await insert(2, 1)
      const rest = given(streams, 3, 60_000)
      // The stream of the driver stays open on the node that has stepped down, and says nothing there.
      await until(
        () => first.health().reason === 'reconnecting',
        () => 'the first to notice',
      )
      expect(streams.map(insertsOf)).toEqual([[1], [1]])
      await Promise.all(others.map(node => node.restart()))
      await mongo.primary()
      await insert(3)
      await rest
      // The set may have elected one that never saw the second: then it was rolled back.
      const kept = await client.db('shop').collection('orders').find().sort({ _id: 1 }).toArray()
      for (const one of streams) expect(insertsOf(one)).toEqual(kept.map(({ _id }) => _id))
    }))

  it('whose primary takes 15 seconds to shut down is read on from the next one, without an alarm', () =>
    withBoth(sourceOf, async (streams, sources) => {
      await insert(1)
      await given(streams, 1)
      const told: string[] = []
      for (const source of sources) {
        for (const name of ['positionFallback', 'historyLost'] as const) source.on(name, () => told.push(name))
      }
      // While the driver seeks another server it looks silent.
      sources[0].on('watchdog', () => told.push('watchdog'))
      const leaving = await mongo.primary()
      // Its default; tests have made it short.
      await client.db('admin').command({ setParameter: 1, shutdownTimeoutMillisForSignaledShutdown: 15_000 })
      const gone = leaving.stop()
      await until(
        async () => (await mongo.primary()) !== leaving,
        () => 'another primary',
      )
      const elected = performance.now()
      await insert(2)
      await given(streams, 2)
      // The driver's own resume may first wait for the node that leaves, for the 3 s of a server selection.
      expect(performance.now() - elected).toBeLessThan(8_000)
      await gone
      await insert(3)
      await given(streams, 3)
      for (const one of streams) expect(insertsOf(one)).toEqual([1, 2, 3])
      expect(told).toEqual([])
    }))

  it('whose primary freezes is read on from the next one', () =>
    withBoth(sourceOf, async streams => {
      await insert(1)
      await given(streams, 1)
      const frozen = await mongo.primary()
      frozen.pause()
      try {
        await mongo.primary()
        const elected = performance.now()
        await insert(2)
        await given(streams, 2)
        // The watchdog has to notice first: 200 ms and 5 s of silence, and 5 s for an answer elsewhere.
        expect(performance.now() - elected).toBeLessThan(15_000)
      } finally {
        frozen.resume()
      }
      await insert(3)
      await given(streams, 3)
      for (const one of streams) expect(insertsOf(one)).toEqual([1, 2, 3])
    }))

  it('read from a secondary goes on when the primary is killed, and elsewhere when its own node is', async () => {
    const secondary = await connect(`${mongo.uri}&readPreference=secondary`)
    const source = new ChangeStreamSource({ ...watched, client: secondary })
    const told: string[] = []
    for (const name of ['retry', 'watchdog', 'positionFallback'] as const) source.on(name, () => told.push(name))
    try {
      await reading(source, async stream => {
        await insert(1)
        await given([stream], 1)
        const primary = await mongo.primary()
        await primary.kill()
        await mongo.primary()
        await insert(2)
        await given([stream], 2)
        expect(told).toEqual([])
        await primary.restart()
        const own = await nodeThatIsRead()
        await own.kill()
        await mongo.primary() // it may have been elected
        const elected = performance.now()
        await insert(3)
        await given([stream], 3)
        // The driver first waits for the dead node, for the 3 s of a server selection.
        expect(performance.now() - elected).toBeLessThan(8_000)
        expect(insertsOf(stream)).toEqual([1, 2, 3])
      })
    } finally {
      await secondary.close()
    }
  })

  async function nodeThatIsRead(): Promise<MongoService['nodes'][number]> {
    for (const node of mongo.nodes) {
      const direct = await connect(node.uri)
      const cursors = await cursorsOf(direct, 'shop').finally(() => direct.close())
      if (cursors > 0) return node
    }
    throw new Error('Nobody reads')
  }
})

describe('with every time-out at its default', () => {
  let mongo: MongoService
  let client: MongoClient
  beforeAll(async () => {
    mongo = await startMongo()
    client = await connect(mongo.uri)
  })
  afterAll(async () => {
    await client?.close()
    await mongo?.stop()
  })

  it.each(['uri', 'client'] as const)(
    'a black hole is noticed within twelve seconds, read on from when it heals, and a stop in it is bounded (%s)',
    async how => {
      const proxy = await tcpProxy(mongo.nodes[0]?.port as number)
      const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`
      const own = new MongoClient(uri)
      const orders = client.db(`hole_${how}`).collection<{ _id: number }>('orders')
      const access = how === 'uri' ? { uri } : { client: own }
      try {
        await withBoth(
          reader => new ChangeStreamSource({ ...access, database: orders.dbName, collections: ['orders'], reader }),
          async (streams, sources) => {
            await orders.insertOne({ _id: 1 })
            await given(streams, 1)
            const rest = given(streams, 2, 60_000)
            const noticed = Promise.all(sources.map(source => once(source as never, 'retry')))
            proxy.mode = 'hole'
            const began = performance.now()
            await noticed
            expect(performance.now() - began).toBeLessThan(12_000)
            await orders.insertOne({ _id: 2 })
            proxy.mode = 'pass'
            await rest
            for (const one of streams) expect(insertsOf(one)).toEqual([1, 2])
            proxy.mode = 'hole'
            const stopped = performance.now()
            await Promise.all(streams.map(one => one.stop()))
            expect(performance.now() - stopped).toBeLessThan(6_000)
          },
        )
      } finally {
        proxy.mode = 'pass'
        await Promise.all([own.close(), proxy.close()])
      }
    },
  )

  it('a server on which nobody writes moves the position on all the same, by its own entries', () =>
    withBoth(
      reader => new ChangeStreamSource({ client, database: 'idle', maxAwaitTimeMS: 200, reader }),
      async streams => {
        const before = streams.map(({ records }) => records.length)
        const moved = (one: Reading, index: number) => one.records.length > (before[index] ?? 0) + 1
        await Promise.all(streams.map((one, index) => one.until(() => moved(one, index), 'two more marks', 60_000)))
        for (const { records } of streams) {
          const times = records.map(({ position }) => position.clusterTime)
          const steps = times.slice(1).map((time, index) => compareTimes(times[index] as ClusterTime, time))
          expect(new Set(steps)).toEqual(new Set([-1]))
          expect(records.every(({ event }) => event === undefined)).toBe(true)
        }
      },
    ))
})
