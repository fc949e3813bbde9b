import { randomUUID } from 'node:crypto'
import { Binary, BSON, Decimal128, type Document, Double, Int32, Long, MongoClient, ObjectId, UUID } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { mongoCheckpointStore } from '../../src/checkpoint/mongo-checkpoint-store.js'
import { checkpoint, checkpointStoreContract, eventPosition, expectSame } from '../unit/checkpoint/contract.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const database = `checkpoints_${randomUUID().slice(0, 8)}`
let client: MongoClient
beforeAll(() => {
  client = new MongoClient(uri)
})
afterAll(async () => {
  await client.db(database).dropDatabase()
  await client.close()
})

/** A collection of its own for each test. */
function place(): { database: string; collection: string } {
  return { database, collection: `c${randomUUID()}` }
}

const damage = { $set: { 'position.clusterTime': new BSON.Timestamp({ t: 1, i: 1 }) } }

checkpointStoreContract('the mongo store with the client of the application', async () => {
  const options = { client, ...place() }
  return {
    store: mongoCheckpointStore(options),
    reopen: () => mongoCheckpointStore(options),
    async corrupt(name) {
      await client.db(database).collection<{ _id: string }>(options.collection).updateOne({ _id: name }, damage)
    },
  }
})

checkpointStoreContract('the mongo store with a URI', async () => {
  const options = { uri, ...place() }
  return { store: mongoCheckpointStore(options), reopen: () => mongoCheckpointStore(options) }
})

describe.each<[string, object]>([
  ['useBigInt64', { useBigInt64: true }],
  ['promoteValues: false', { promoteValues: false }],
  ['raw', { raw: true }],
  ['promoteBuffers', { promoteBuffers: true }],
  ['ignoreUndefined', { ignoreUndefined: true }],
  ['a strict server API', { serverApi: { version: '1', strict: true } }],
  ['w: 0 and secondary reads', { writeConcern: { w: 0 }, readPreference: 'secondaryPreferred' }],
])('with a client that has %s', (_, bsonOptions) => {
  it('the mongo store gives back what was saved', async () => {
    const own = new MongoClient(uri, bsonOptions)
    try {
      const store = mongoCheckpointStore({ client: own, ...place() })
      const saved = checkpoint({
        position: eventPosition({ n: Long.fromNumber(5), bytes: new Binary(Buffer.from([1])) }),
      })
      await store.save(saved)
      expectSame(await store.load('orders'), saved)
      const lease = await store.acquire?.({ name: 'orders', holder: 'a', ttlMs: 60_000 })
      const given = lease?.epoch ?? 0
      expect(await lease?.renew()).toBe(true)
      await store.save({ ...saved, epoch: given })
      for (const epoch of [undefined, given + 1]) {
        const other = { ...saved, ...(epoch !== undefined && { epoch }) }
        await expect(store.save(other)).rejects.toMatchObject({ code: 'CDC_FENCED' })
      }
    } finally {
      await own.close()
    }
  })
})

describe('the mongo store', () => {
  it('leaves the client of the application open, and closes its own', async () => {
    const store = mongoCheckpointStore({ client, ...place() })
    await store.close?.()
    await expect(client.db(database).command({ ping: 1 })).resolves.toMatchObject({ ok: 1 })
    const own = mongoCheckpointStore({ uri, ...place() })
    await own.load('orders')
    await own.close?.()
    await expect(own.load('orders')).rejects.toThrow('The checkpoint store is closed')
  })

  it('keeps one document per pipeline, and other fields in it', async () => {
    const options = { client, ...place() }
    const documents = client.db(database).collection<{ _id: string } & Document>(options.collection)
    const store = mongoCheckpointStore(options)
    await documents.insertOne({ _id: 'billing', note: 'of somebody else' })
    await store.save(checkpoint())
    await documents.updateOne({ _id: 'orders' }, { $set: { note: 'of ours' } })
    await store.save(checkpoint())
    const found = await documents.find().sort({ _id: 1 }).toArray()
    expect(found.map(({ _id, note }) => [_id, note])).toEqual([
      ['billing', 'of somebody else'],
      ['orders', 'of ours'],
    ])
    expectSame(await store.load('orders'), checkpoint())
    await expect(store.load('billing')).rejects.toMatchObject({ code: 'CDC_CHECKPOINT_CORRUPT' })
  })

  it.each<[string, Document]>([
    ['another token', { $set: { 'position.token._data': '8269A42A40000000072B' } }],
    ['another type within the token', { $set: { 'position.token.n': new Double(5) } }],
    ['a missing position', { $unset: { position: '' } }],
    ['a missing checksum', { $unset: { checksum: '' } }],
    ['a missing date', { $unset: { savedAt: '' } }],
    ['a later version', { $set: { v: 2 } }],
    ['another kind', { $set: { 'position.kind': 'time' } }],
    ['a position that is none', { $set: { position: 5 } }],
    ['an origin that is none', { $set: { 'position.origin': 'x' } }],
  ])('refuses a document with %s', async (_, change) => {
    const options = { client, ...place() }
    const store = mongoCheckpointStore(options)
    await store.save(checkpoint({ position: eventPosition({ n: new Int32(5) }) }))
    await client.db(database).collection<{ _id: string }>(options.collection).updateOne({ _id: 'orders' }, change)
    await expect(store.load('orders')).rejects.toMatchObject({ code: 'CDC_CHECKPOINT_CORRUPT', retryable: false })
  })

  it('gives back tokens of a real stream, for ids of every type, from which it goes on', async () => {
    const events = client.db(database).collection<{ _id: unknown }>(`c${randomUUID()}`)
    const store = mongoCheckpointStore({ client, ...place() })
    const ids = [
      ...[new ObjectId(), new UUID(), 'Zoë', '', 42, Long.fromString('9007199254740993'), new Double(1.5)],
      ...[
        Decimal128.fromString('1.10'),
        { z: 1, a: { b: 2 } },
        new Date(0),
        new Binary(Buffer.from([0, 255])),
        null,
        false,
      ],
    ]
    await client.db(database).createCollection(events.collectionName)
    const stream = events.watch([], { bsonRegExp: true })
    await stream.tryNext()
    // As a command: `insertOne` would make an id of its own instead of null.
    const documents = [...ids, 'end'].map(_id => ({ _id }))
    await client.db(database).command({ insert: events.collectionName, documents })
    for (const [index] of ids.entries()) {
      const event = await stream.next()
      if (event.operationType !== 'insert' || !event.clusterTime) throw new Error('Expected an insert')
      const clusterTime = { t: event.clusterTime.getHighBitsUnsigned(), i: event.clusterTime.getLowBitsUnsigned() }
      const position = { kind: 'event', clusterTime, token: event._id } as const
      await store.save(checkpoint({ position }))
      const loaded = await store.load('orders')
      expectSame(loaded?.position, position)
      const again = events.watch([], { startAfter: loaded?.position.token })
      const next = (await again.next()) as { documentKey?: Document }
      expectSame(next.documentKey?._id, [...ids, 'end'][index + 1])
      await again.close()
    }
    await stream.close()
  })
})

describe('the lease in the mongo store', () => {
  const request = { name: 'orders', holder: 'a', ttlMs: 60_000 }

  it('is got by exactly one of four that ask at the same time, fifty times in a row', async () => {
    const options = { client, ...place() }
    const stores = [options, options, { uri, ...options, client: undefined }, options].map(each =>
      mongoCheckpointStore(each as typeof options),
    )
    let epoch = 0
    for (let round = 0; round < 50; round += 1) {
      const asked = stores.map((store, n) => store.acquire?.({ ...request, holder: `holder ${n}` }))
      const [lease, ...others] = (await Promise.all(asked)).filter(lease => lease !== undefined)
      expect(others).toEqual([])
      expect(lease?.epoch).toBeGreaterThan(epoch)
      epoch = lease?.epoch ?? 0
      await lease?.release()
    }
    await Promise.all(stores.map(store => store.close?.()))
  })

  it('has an epoch that never comes again, also where the record was deleted', async () => {
    const options = { client, ...place() }
    const store = mongoCheckpointStore(options)
    const first = await store.acquire?.(request)
    await client.db(database).collection(options.collection).deleteMany({})
    const second = await store.acquire?.({ ...request, holder: 'b' })
    expect(second?.epoch).toBeGreaterThan(first?.epoch ?? Number.POSITIVE_INFINITY)
    await expect(store.save(checkpoint({ epoch: first?.epoch ?? 0 }))).rejects.toMatchObject({ code: 'CDC_FENCED' })
    expect(await first?.renew()).toBe(false)
  })

  it('stands beside the position, which keeps its checksum, in one document', async () => {
    const options = { client, ...place() }
    const store = mongoCheckpointStore(options)
    const documents = client.db(database).collection<{ _id: string } & Document>(options.collection)
    const lease = await store.acquire?.(request)
    const epoch = lease?.epoch ?? 0
    expect(await documents.findOne()).toEqual({
      _id: 'orders',
      lease: { holder: 'a', epoch, expiresAt: expect.any(Date) },
    })
    await store.save(checkpoint({ epoch }))
    await lease?.renew()
    expectSame(await store.load('orders'), checkpoint())
    expect(await documents.findOne()).toMatchObject({
      lease: { holder: 'a', epoch },
      v: 1,
      checksum: expect.any(String),
    })
    await lease?.release()
    expect((await documents.findOne())?.lease).toEqual({ epoch })
    expectSame(await store.load('orders'), checkpoint())
  })

  it('is refused by no position with signs that mean something to MongoDB, without a lease behind one', async () => {
    const store = mongoCheckpointStore({ client, ...place() })
    const saved = checkpoint({
      position: eventPosition({ $expr: '$$NOW', a: { $literal: '$lease' }, n: new Int32(5) }),
    })
    await store.acquire?.({ ...request, ttlMs: 1 })
    await until(
      () =>
        store.save(saved).then(
          () => true,
          () => false,
        ),
      () => 'the lease has run out',
    )
    expectSame(await store.load('orders'), saved)
    await store.save(checkpoint())
    expectSame(await store.load('orders'), checkpoint())
  })

  it('leaves a document with half a checkpoint refused', async () => {
    const options = { client, ...place() }
    const store = mongoCheckpointStore(options)
    const lease = await store.acquire?.(request)
    await store.save(checkpoint({ epoch: lease?.epoch ?? 0 }))
    const documents = client.db(database).collection<{ _id: string }>(options.collection)
    await documents.updateOne({ _id: 'orders' }, { $unset: { position: '', v: '', savedAt: '' } })
    await expect(store.load('orders')).rejects.toMatchObject({ code: 'CDC_CHECKPOINT_CORRUPT' })
  })

  it('is named in the error when MongoDB can not be asked for it', async () => {
    const away = new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 50 })
    const asked = mongoCheckpointStore({ client: away, ...place() }).acquire?.(request)
    await expect(asked).rejects.toMatchObject({
      code: 'CDC_CHECKPOINT_FAILED',
      retryable: true,
      message: expect.stringContaining('Could not acquire the lease in the collection'),
    })
    await away.close()
  })
})

describe('the mongo store whose user is dropped and made again', () => {
  const [user, pwd] = ['keeper', 'pa55/w:rd@x']
  const request = { name: 'orders', holder: 'a', ttlMs: 60_000 }
  const refused = {
    code: 'CDC_CHECKPOINT_FAILED',
    retryable: false,
    hint: expect.stringContaining('check user name, password'),
  }
  let mongo: MongoService
  let admin: MongoClient
  let own: string
  beforeAll(async () => {
    mongo = await startMongo({ auth: true })
    admin = await new MongoClient(mongo.adminUri as string).connect()
    own = mongo.uri.replace('mongodb://', `mongodb://${user}:${encodeURIComponent(pwd)}@`).concat('&authSource=admin')
  })
  afterAll(async () => {
    await admin?.close()
    await mongo?.stop()
  })
  afterEach(() => drop().catch(() => undefined))

  const create = (): Promise<unknown> =>
    admin.db('admin').command({ createUser: user, pwd, roles: [{ role: 'readWrite', db: 'cdc' }] })
  const drop = (): Promise<unknown> => admin.db('admin').command({ dropUser: user })

  /** Of all clients that the stores have made. */
  const connections = async (): Promise<number> => {
    const operations = admin.db('admin').aggregate([{ $currentOp: { allUsers: true, idleConnections: true } }])
    return (await operations.toArray()).filter(({ appName }) => appName === 'mongo-rabbit-cdc').length
  }

  const outcomes = async (calls: readonly (() => Promise<unknown> | undefined)[], how: string): Promise<unknown[]> => {
    const caught = async (call: () => Promise<unknown> | undefined): Promise<unknown> => {
      return await call()?.catch((error: unknown) => error)
    }
    if (how === 'at once') return await Promise.all(calls.map(caught))
    const found: unknown[] = []
    for (const call of calls) found.push(await caught(call))
    return found
  }

  // At once the driver needs new connections, whose log-in fails, and forgets the old ones by itself.
  it.each(['one after the other', 'at once'])(
    'with a `uri` logs in anew with the next call, also where calls were refused %s',
    async how => {
      await create()
      const store = mongoCheckpointStore({ uri: own })
      const lease = await store.acquire?.({ ...request, holder: how })
      const epoch = lease?.epoch ?? 0
      const save = (): Promise<void> => store.save(checkpoint({ epoch }))
      await save()
      await drop()
      for (let round = 0; round < 3; round += 1) {
        const calls = [save, () => lease?.renew(), () => store.load('orders'), () => store.acquire?.(request)]
        for (const error of await outcomes(calls, how)) expect(error).toMatchObject({ code: 'CDC_CHECKPOINT_FAILED' })
        await expect(save()).rejects.toMatchObject(refused)
      }
      await create()
      await save()
      expect(await lease?.renew()).toBe(true) // the same lease
      expectSame(await store.load('orders'), checkpoint())
      await lease?.release()
      const next = await store.acquire?.({ ...request, holder: 'b' })
      expect(next?.epoch).toBeGreaterThan(epoch)
      await next?.release()
      expect(await connections()).toBeGreaterThan(0)
      await store.close?.()
      await until(
        async () => (await connections()) === 0,
        () => 'no client is left open',
        { ms: 10_000 },
      )
    },
  )

  it('with a `client` is refused until that is made anew, as its owner alone can do', async () => {
    await create()
    const application = new MongoClient(own)
    const store = mongoCheckpointStore({ client: application, collection: 'others' })
    await store.save(checkpoint())
    await drop()
    await expect(store.save(checkpoint())).rejects.toMatchObject(refused)
    await create()
    await expect(store.save(checkpoint())).rejects.toMatchObject(refused)
    await application.close()
  })
})
