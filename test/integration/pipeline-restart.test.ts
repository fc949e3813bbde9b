import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { BSON, type ClientSession, Decimal128, Double, Long, type MongoClient, ObjectId, UUID } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import {
  type CheckpointStore,
  changeEventMessage,
  fileCheckpointStore,
  memoryCheckpointStore,
  mongoCheckpointStore,
} from '../../src/index.js'
import { type Inbox, Inboxes } from './support/inbox.js'
import { Load } from './support/load.js'
import { connect, cursorsOf } from './support/mongo.js'
import { build, inDatabase, rejection, started, stopPipelines, unique } from './support/pipelines.js'
import { PipelineProcess } from './support/process.js'
import { check, flawless, now, truth, verdict } from './support/truth.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cdc-restart-'))
})

afterEach(async () => {
  await stopPipelines()
  await inboxes.remove()
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('a clean stop', () => {
  it('under load leaves nothing behind and sends nothing twice, three times in a row', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('clean')
      const inbox = await inboxes.open(url, queue)
      const from = await now(client)
      const checkpointStore = mongoCheckpointStore({ client, database: db.databaseName })
      const wanted = {
        client,
        database: db.databaseName,
        url,
        queue,
        checkpointStore,
        source: { collections: ['a', 'b'] },
      }
      const first = await started(wanted)
      const load = new Load([db.collection('a'), db.collection('b')], { everyMs: 1 })
      let running = first
      for (const arrived of [50, 150, 250]) {
        await inbox.take(arrived)
        expect(await running.pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
        running = await started(wanted)
      }
      await inbox.take(350)
      await load.stop()
      const match = { $match: { 'ns.coll': { $in: ['a', 'b'] } } }
      const expected = await truth(client, { database: db.databaseName, pipeline: [match] }, from)
      await inbox.take(expected.length)
      await running.pipeline.stop()
      expect(check(expected, inbox.received)).toEqual({ ...flawless, duplicates: 0 })
      await until(
        async () => (await cursorsOf(client, db.databaseName)) === 0,
        () => 'no cursor',
      )
    }))
})

describe('a crash', () => {
  const limits = { maxInFlight: 50, maxUnsavedEvents: 100, checkpointIntervalMs: 200 }

  it('at any moment costs nothing but as many copies as may be in flight and unsaved', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('crash')
      const inbox = await inboxes.open(url, queue)
      const options = {
        mongoUri: uri,
        amqpUrl: url,
        database: db.databaseName,
        queue,
        store: { path: join(folder, '{name}.json') },
        pipeline: limits,
        slowMs: 80,
      }
      // From the first save on, nothing may be missing.
      const first = await PipelineProcess.started(options)
      const from = await now(client)
      const load = new Load([db.collection('a'), db.collection('b')], { everyMs: 0 })
      await inbox.take(20)
      await first.kill()
      const crashes = [0, 40, 150, 500]
      for (const ms of crashes) {
        const process = await PipelineProcess.started(options)
        // Its events have one cluster time: the crash may fall in the middle of them.
        await client.withSession(session =>
          session.withTransaction(async (session: ClientSession) => {
            const documents = Array.from({ length: 600 }, (_, n) => ({ ms, n }))
            await db.collection('transaction').insertMany(documents, { session })
          }),
        )
        await pause(ms) // random moments are the point
        await process.kill()
      }
      const last = await PipelineProcess.started(options)
      await load.stop()
      const { duplicates, ...rest } = await verdict(client, db.databaseName, from, inbox, 100)
      await last.stop()
      expect(rest).toEqual(flawless)
      // Settled since the last save: at most `maxUnsavedEvents` when intake pauses, and what was in flight then.
      const perCrash = limits.maxUnsavedEvents + 2 * limits.maxInFlight
      expect(duplicates).toBeLessThanOrEqual((crashes.length + 1) * perCrash)
    }))

  it('around the first save of a first start loses nothing that was written after that save', () =>
    inDatabase(uri, async (db, client) => {
      // The store is apart from what is watched; its first record says from when on nothing may be missing.
      const store = `${db.databaseName}_store`
      const load = new Load([db.collection('a')], { everyMs: 2 })
      const runs = [0, 40, 90].map(ms => ({ ms, queue: unique('first') }))
      const options = { mongoUri: uri, amqpUrl: url, database: db.databaseName, store: { database: store } }
      try {
        for (const { ms, queue } of runs) {
          await inboxes.open(url, queue)
          const process = await PipelineProcess.fork({ ...options, queue, pipeline: limits })
          await process.loaded()
          await pause(ms) // random moments are the point
          await process.kill()
        }
        const last: PipelineProcess[] = []
        for (const { queue } of runs) last.push(await PipelineProcess.started({ ...options, queue, pipeline: limits }))
        const written = load.written
        await until(
          () => load.written > written + 100,
          () => '100 more writes',
        )
        await load.stop()
        for (const { queue } of runs) {
          const inbox = inboxes.all.find(one => one.queue === queue) as Inbox
          const { duplicates, ...rest } = await verdict(
            client,
            db.databaseName,
            await firstSave(client, store, queue),
            inbox,
            100,
          )
          expect(rest).toEqual(flawless)
          expect(duplicates).toBeLessThanOrEqual(limits.maxUnsavedEvents + 2 * limits.maxInFlight)
        }
        await Promise.all(last.map(process => process.stop()))
      } finally {
        await load.stop()
        await client.db(store).dropDatabase()
      }
    }))
})

/** The position of the first save, as the oplog has it. */
async function firstSave(client: MongoClient, database: string, name: string): Promise<BSON.Timestamp> {
  const oplog = client.db('local').collection('oplog.rs')
  const [first] = await oplog
    .find({ ns: `${database}.checkpoints`, op: 'i', 'o._id': name })
    .sort({ $natural: 1 })
    .toArray()
  return first?.o.position.clusterTime as BSON.Timestamp
}

describe.each(['memory', 'file', 'MongoDB'] as const)('a position in the %s store', kind => {
  let client: MongoClient
  let checkpointStore: CheckpointStore

  beforeAll(async () => {
    client = await connect(uri)
    const path = join(folder, '{name}.position.json')
    if (kind === 'memory') checkpointStore = memoryCheckpointStore()
    else if (kind === 'file') checkpointStore = fileCheckpointStore({ path })
    else checkpointStore = mongoCheckpointStore({ client, database: `t${process.pid}_positions` })
  })

  afterAll(async () => {
    await client.db(`t${process.pid}_positions`).dropDatabase()
    await client.close()
  })

  it('behind a document with an id of any type goes on with exactly the next one', () =>
    inDatabase(uri, async db => {
      const ids: unknown[] = [
        new ObjectId(),
        new UUID(),
        'text with é and 文',
        'x'.repeat(9_000),
        42,
        Long.fromString('9007199254740993'),
        new Double(0.1),
        Decimal128.fromString('1.10'),
        { b: 1, a: { c: ['x'] } },
        new Date(0),
        new Date('2024-02-29T12:00:00.123Z'),
        new BSON.Binary(Buffer.from([0, 255, 1]), 0),
        false,
        null,
        new BSON.Timestamp({ t: 1, i: 2 }),
        'the last',
      ]
      const queue = unique('ids')
      const inbox = await inboxes.open(url, queue)
      const kinds: unknown[] = []
      const wanted = { client, database: db.databaseName, url, queue, checkpointStore }
      const first = await started(wanted)
      await first.pipeline.stop()
      await db.collection<{ _id: unknown }>('c').insertMany(ids.map((_id, n) => ({ _id, n })))
      // Each run publishes one event, and fails at the next: the position saved is that of the one event.
      for (const _ of ids.slice(1)) {
        let seen = 0
        const shape = changeEventMessage()
        const { pipeline } = build({
          ...wanted,
          transform: event => {
            seen += 1
            if (seen === 2) throw new Error('that is enough')
            return shape(event)
          },
        })
        await pipeline.start().catch(() => {})
        expect(await rejection(pipeline.done)).toMatchObject({ code: 'CDC_EVENT_FAILED' })
        kinds.push(pipeline.stats().checkpoint.kind)
      }
      await started(wanted)
      await inbox.take(ids.length)
      const numbers = inbox.received.map(({ body }) => (body.fullDocument as { n: number }).n)
      expect(numbers).toEqual(ids.map((_, n) => n))
      expect(new Set(kinds)).toEqual(new Set(['event']))
    }))

  it('is that of the last start, so that another name begins at now', () =>
    inDatabase(uri, async db => {
      const queue = unique('name')
      const inbox = await inboxes.open(url, queue)
      const wanted = { client, database: db.databaseName, url, queue, checkpointStore }
      const first = await started(wanted)
      await db.collection('c').insertOne({ n: 1 })
      await inbox.take(1)
      await first.pipeline.stop()
      await db.collection('c').insertOne({ n: 2 })
      const other = await started({ ...wanted, name: unique('other') })
      await db.collection('c').insertOne({ n: 3 })
      await inbox.take(2)
      await other.pipeline.stop()
      await started(wanted)
      const messages = await inbox.take(4)
      expect(messages.map(({ body }) => (body.fullDocument as { n: number }).n)).toEqual([1, 3, 2, 3])
    }))
})

describe('the saved position', () => {
  it('wins over the time at which a first start is to begin', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('wins')
      const inbox = await inboxes.open(url, queue)
      const startAtOperationTime = await now(client)
      await db.collection('c').insertMany([{ n: 1 }, { n: 2 }])
      const checkpointStore = memoryCheckpointStore()
      const source = { startAtOperationTime }
      const wanted = { client, database: db.databaseName, url, queue, checkpointStore, source }
      const first = await started(wanted)
      await inbox.take(2)
      await first.pipeline.stop()
      await started(wanted)
      await db.collection('c').insertOne({ n: 3 })
      await inbox.take(3)
      expect(inbox.received.map(({ body }) => (body.fullDocument as { n: number }).n).sort()).toEqual([1, 2, 3])
    }))

  it('of a quiet collection moves on beside a busy one', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('quiet')
      await inboxes.open(url, queue)
      const { pipeline } = build({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { collections: ['quiet'], maxAwaitTimeMS: 50 },
        idleCheckpointIntervalMs: 100,
      })
      const saved: bigint[] = []
      const positions = new Set<string>()
      const kinds = new Set<string>()
      pipeline.on('checkpoint', ({ position: { clusterTime, kind } }) => {
        saved.push((BigInt(clusterTime.t) << 32n) + BigInt(clusterTime.i))
        // The start and the mark of the write just behind it may have one time: "from it on" and "after it".
        positions.add(`${kind} ${clusterTime.t} ${clusterTime.i}`)
        kinds.add(kind)
      })
      await pipeline.start()
      const load = new Load([db.collection('busy')])
      await until(
        () => saved.length >= 6,
        () => `6 saves, got ${saved.length}`,
      )
      await load.stop()
      expect(pipeline.stats().read).toBe(0)
      expect(kinds).toContain('highWaterMark')
      expect(saved).toEqual([...saved].sort((a, b) => Number(a - b)))
      expect(positions.size).toBe(saved.length)
    }))

  it('in the watched database is no event itself, and is saved no oftener than it has to be', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('feedback')
      const inbox = await inboxes.open(url, queue)
      const { pipeline } = build({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { maxAwaitTimeMS: 50 },
        checkpointStore: mongoCheckpointStore({ client, database: db.databaseName }),
        idleCheckpointIntervalMs: 500,
      })
      let saves = 0
      pipeline.on('checkpoint', () => {
        saves += 1
      })
      await pipeline.start()
      await db.collection('c').insertOne({})
      await inbox.take(1)
      const [before, since] = [saves, performance.now()]
      await until(
        () => saves >= before + 4,
        () => `4 more saves, got ${saves - before}`,
      )
      const intervals = (performance.now() - since) / 500
      // One for the event, then one per interval.
      expect(saves - before).toBeLessThanOrEqual(intervals + 2)
      expect(pipeline.stats().read).toBe(1)
      await pipeline.stop()
      expect(inbox.received).toHaveLength(1)
    }))
})
