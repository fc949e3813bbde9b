import { copyFile, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ChangeStreamDocument, type Document, MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type MongoService, startMongo, tcpProxy } from '../../scripts/services/index.mjs'
import {
  changeEventMessage,
  deadLetterMessage,
  enrich,
  fileCheckpointStore,
  memoryCheckpointStore,
  mongoCheckpointStore,
  pipe,
} from '../../src/index.js'
import { Inboxes } from './support/inbox.js'
import { inDatabase, rejection, started, stopPipelines, unique } from './support/pipelines.js'
import {
  documentsOf,
  FirstPoison,
  isPoison,
  numberOf,
  outlivesStore,
  outlivesTarget,
  throwing,
} from './support/policies.js'
import { check, complete, flawless, now, truth } from './support/truth.js'
import { until } from './support/waiting.js'

// The outages that take longer stand in test/long/policies.test.ts.

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()
// Of this file alone: a MongoDB that takes checkpoints, and asks for names.
let guarded: MongoService
let admin: MongoClient
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cdc-policies-'))
  guarded = await startMongo({ auth: true })
  admin = await new MongoClient(guarded.adminUri as string).connect()
})

afterEach(async () => {
  await stopPipelines()
  await inboxes.remove()
})

afterAll(async () => {
  await admin?.close()
  await guarded?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('a target of dead letters', () => {
  it('that keeps silent holds back the document and the position, and nothing else, until it is back', async () => {
    const proxy = await tcpProxy(Number(new URL(url).port))
    await outlivesTarget(
      { uri, url, lettersUrl: url, lettersPort: proxy.port },
      {
        reason: 'dead-letter reconnecting',
        away: async () => {
          proxy.mode = 'hole'
        },
        back: async () => {
          proxy.mode = 'pass'
        },
      },
    )
    await proxy.close()
  })

  it('that no queue is bound to ends the pipeline, and the next start begins with the failed event', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('unbound')
      const inbox = await inboxes.open(url, queue)
      const checkpointStore = memoryCheckpointStore()
      const wanted = { client, database: db.databaseName, url, queue, checkpointStore }
      const { pipeline } = await started({
        ...wanted,
        transform: throwing,
        onFailedEvent: 'dead-letter',
        deadLetter: { message: deadLetterMessage({ exchange: '', routingKey: unique('nowhere') }) },
        maxAttempts: 2,
      })
      await documentsOf(db).insertMany([
        { _id: 1, n: 1 },
        { _id: 2, n: 2, poison: true },
        { _id: 3, n: 3 },
      ])
      const error = await rejection(pipeline.done)
      expect(error).toMatchObject({ code: 'CDC_DEAD_LETTER_FAILED', cause: { code: 'CDC_UNROUTABLE' } })
      expect(pipeline.stats().deadLettered).toBe(0)
      // What it has published may still be on its way to the inbox.
      const before = pipeline.stats().published
      await inbox.take(before)
      await started(wanted)
      await inbox.take(before + 2)
      expect(inbox.received.slice(before).map(numberOf)).toEqual([2, 3])
    }))
})

describe('a circuit that opens while the broker is silent', () => {
  it('ends the pipeline before anything that is unconfirmed, and the next start sends all of it', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('circuit')
      const inbox = await inboxes.open(url, queue)
      const proxy = await tcpProxy(Number(new URL(url).port))
      const checkpointStore = memoryCheckpointStore()
      const wanted = { client, database: db.databaseName, queue, checkpointStore }
      const { pipeline } = await started({
        ...wanted,
        url: url.replace(/:\d+$/, `:${proxy.port}`),
        transform: throwing,
        onFailedEvent: 'skip',
        circuitBreaker: { failures: 3, of: 10 },
        checkpointIntervalMs: 20,
        drainTimeoutMs: 200,
      })
      const from = await now(client)
      await documentsOf(db).insertOne({ _id: 0, n: 0 })
      await inbox.take(1)
      // It is in the queue before its confirm is here.
      await until(
        () => pipeline.stats().inFlight === 0,
        () => 'the confirm',
      )
      proxy.mode = 'hole'
      const documents = Array.from({ length: 30 }, (_, n) => ({ _id: n + 1, n: n + 1, poison: n >= 20 }))
      await documentsOf(db).insertMany(documents)
      expect(await rejection(pipeline.done)).toMatchObject({ code: 'CDC_CIRCUIT_OPEN' })
      expect(pipeline.stats()).toMatchObject({ skipped: 2, inFlight: 30 - 7 })
      await proxy.close()
      await started({ ...wanted, url })
      const expected = await truth(client, { database: db.databaseName }, from)
      await inbox.until(
        () => complete(expected, inbox.received),
        () => 'everything',
      )
      // What was in the socket arrives when the proxy lets go of it: those are copies.
      const { duplicates, ...rest } = check(expected, inbox.received)
      expect(rest).toEqual(flawless)
      expect(duplicates).toBeLessThanOrEqual(21)
    }))
})

describe('a store of checkpoints', () => {
  it('that becomes read-only stops the reading when too much is unsaved, and nothing else', async () => {
    const link = join(folder, 'volume')
    const point = async (target: string): Promise<void> => {
      await symlink(target, `${link}.new`)
      await rename(`${link}.new`, link)
    }
    await mkdir(join(folder, 'writable'))
    await point(join(folder, 'writable'))
    await outlivesStore({ uri, url }, fileCheckpointStore({ path: join(link, '{name}.json') }), {
      failure: { code: 'CDC_CHECKPOINT_FAILED', retryable: true },
      away: () => point('/sys/kernel'), // nobody can make a file in there, root neither
      back: () => point(join(folder, 'writable')),
    })
  })

  it('whose rights are revoked stops the reading when too much is unsaved, until they are granted again', async () => {
    const [role, pwd] = ['keeper', 'pa55/w:rd@x']
    const resource = { db: 'kept', collection: 'checkpoints' }
    // The least that is documented: nothing else may be needed.
    const privileges = [{ resource, actions: ['find', 'insert', 'update'] }]
    const command = (command: Document): Promise<Document> => admin.db('admin').command(command)
    await command({ createRole: role, privileges, roles: [] })
    await command({ createUser: role, pwd, roles: [role] })
    const own = guarded.uri.replace('mongodb://', `mongodb://${role}:${encodeURIComponent(pwd)}@`)
    const store = mongoCheckpointStore({ uri: `${own}&authSource=admin`, database: 'kept' })
    await outlivesStore({ uri, url }, store, {
      failure: { code: 'CDC_CHECKPOINT_FAILED', retryable: false, hint: expect.stringContaining('`update`') },
      away: () => command({ updateRole: role, privileges: [{ resource, actions: ['find'] }] }),
      back: () => command({ updateRole: role, privileges }),
    })
  })

  it.each(['a file', 'MongoDB'])('that is restored from an old backup of %s costs copies, and nothing is lost', kind =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('backup')
      const inbox = await inboxes.open(url, queue)
      const path = join(folder, `${queue}.json`)
      const places = db.collection<{ _id: string }>('checkpoints')
      const checkpointStore =
        kind === 'a file' ? fileCheckpointStore({ path }) : mongoCheckpointStore({ client, database: db.databaseName })
      let document: Document | null = null
      const backUp = async (): Promise<void> => {
        if (kind === 'a file') await copyFile(path, `${path}.bak`)
        else document = await places.findOne({ _id: queue })
      }
      const restore = async (): Promise<void> => {
        if (kind === 'a file') await copyFile(`${path}.bak`, path)
        else await places.replaceOne({ _id: queue }, document as Document)
      }
      const run = async (wanted: number, write: () => Promise<unknown>): Promise<void> => {
        const { pipeline } = await started({
          client,
          database: db.databaseName,
          url,
          queue,
          checkpointStore,
          source: { collections: ['c'] },
        })
        await write()
        await inbox.take(wanted)
        expect((await pipeline.stop()).drained).toBe(true)
      }
      const insert = (from: number, count: number) => (): Promise<unknown> =>
        documentsOf(db).insertMany(Array.from({ length: count }, (_, n) => ({ _id: from + n, n: from + n })))
      await run(5, insert(0, 5))
      await backUp()
      await run(10, insert(5, 5))
      await restore()
      await run(17, insert(10, 2))
      const numbers = inbox.received.map(numberOf)
      expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 6, 7, 8, 9, 10, 11])
      const ids = inbox.received.map(({ messageId }) => messageId)
      expect(ids.slice(10, 15)).toEqual(ids.slice(5, 10))
    }),
  )
})

describe('a service that `enrich` asks', () => {
  it('and that never answers holds up its own documents only, for as long as they may wait', () =>
    inDatabase(uri, async (db, client) => {
      const [queue, target] = [unique('enrich'), unique('letters')]
      const inbox = await inboxes.open(url, queue)
      const dead = await inboxes.open(url, target)
      const poison = new FirstPoison()
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        transform: pipe(
          enrich(
            (event: ChangeStreamDocument) => {
              if (!isPoison(event)) return 'known'
              poison.saw(event)
              return new Promise<string>(() => {})
            },
            event => event,
            { timeoutMs: 150, attempts: 2, retry: { minDelayMs: 1, maxDelayMs: 1 } },
          ),
          changeEventMessage(),
        ),
        transformConcurrency: 4,
        onFailedEvent: 'dead-letter',
        deadLetter: { message: deadLetterMessage({ exchange: '', routingKey: target }) },
        checkpointIntervalMs: 20,
      })
      const wrong = poison.passedBy(pipeline)
      // More that hang than may run at once.
      const documents = Array.from({ length: 60 }, (_, n) => ({ _id: n, n, poison: n % 6 === 3 }))
      await documentsOf(db).insertMany(documents)
      await inbox.take(50)
      await dead.take(10)
      expect(inbox.received.map(numberOf).sort((a, b) => a - b)).toEqual(
        documents.filter(({ poison }) => !poison).map(({ n }) => n),
      )
      expect(dead.received.every(({ headers }) => headers['x-cdc-error-code'] === 'CDC_ENRICH_TIMEOUT')).toBe(true)
      expect(wrong).toEqual([])
      expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    }))
})

describe('a pipeline', () => {
  it('needs no more of MongoDB than `find` and `changeStream` on its collection, whoever keeps its checkpoints', () =>
    inDatabase(guarded.adminUri as string, async (db, client) => {
      const queue = unique('least')
      const inbox = await inboxes.open(url, queue)
      const [role, pwd] = ['watcher', 'pa55/w:rd@x']
      const resource = { db: db.databaseName, collection: 'c' }
      await admin.db('admin').command({
        createRole: role,
        privileges: [{ resource, actions: ['find', 'changeStream'] }],
        roles: [],
      })
      await admin.db('admin').command({ createUser: role, pwd, roles: [role] })
      const own = guarded.uri.replace('mongodb://', `mongodb://${role}:${encodeURIComponent(pwd)}@`)
      const { pipeline } = await started({
        database: db.databaseName,
        url,
        queue,
        source: { uri: `${own}&authSource=admin`, collections: ['c'], fullDocument: 'updateLookup' },
        checkpointStore: mongoCheckpointStore({ client, database: 'elsewhere' }),
      })
      await documentsOf(db).insertOne({ _id: 1, n: 1 })
      await documentsOf(db).updateOne({ _id: 1 }, { $set: { n: 2 } })
      await documentsOf(db).deleteOne({ _id: 1 })
      await inbox.take(3)
      expect(inbox.received.map(({ operation }) => operation)).toEqual(['insert', 'update', 'delete'])
      expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    }))
})
