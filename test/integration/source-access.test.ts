import { once } from 'node:events'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { spacelessTemporaryDirectory } from '../../scripts/services/cache.mjs'
import { findMongod } from '../../scripts/services/find-mongod.mjs'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { freePorts } from '../../scripts/services/ports.mjs'
import { supervise, supervisedDirectory } from '../../scripts/services/supervise.mjs'
import { accepts, until } from '../../scripts/services/wait.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import type { PartHealth } from '../../src/types.js'
import { reading } from './support/mongo.js'

const PASSWORD = 'pa55/w:rd@x'

/** With which error a source doesn't even start. */
async function startError(uri: string): Promise<unknown> {
  const source = new ChangeStreamSource({ uri, database: 'shop', collections: ['orders'] })
  return await reading(source, async () => expect.unreachable('it started')).catch((error: unknown) => error)
}

function everythingIn(error: unknown): string {
  return inspect(error, { depth: 12, showHidden: true })
}

it('refuses a server that is no replica set, and says what to do', async () => {
  const mongod = await findMongod({ env: { ...process.env, MONGODB_URI: '' } })
  if ('uri' in mongod) throw new Error('Expected a mongod of our own')
  const directory = await supervisedDirectory(spacelessTemporaryDirectory(), 'cdc-standalone')
  const [port = 0] = await freePorts(1)
  const args = ['--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', directory.path, '--nounixsocket']
  const server = await supervise(mongod.binary, args, { log: join(directory.path, 'log'), env: mongod.env })
  try {
    await until(() => accepts(port), { timeoutMs: 30_000, what: 'mongod' })
    for (const query of ['', '?directConnection=true']) {
      const error = await startError(`mongodb://127.0.0.1:${port}/${query}`)
      expect(error).toMatchObject({ code: 'CDC_NOT_REPLICA_SET', hint: expect.stringContaining('rs.initiate') })
      expect((error as Error).message).toMatch(/Expected a replica set.*got a standalone/)
    }
  } finally {
    await server.end()
    await directory.remove()
  }
})

describe('on a server with authorization', () => {
  let mongo: MongoService
  let admin: MongoClient
  const uriOf = (user: string, password = PASSWORD): string =>
    mongo.uri.replace('mongodb://', `mongodb://${user}:${encodeURIComponent(password)}@`).concat('&authSource=admin')

  beforeAll(async () => {
    mongo = await startMongo({ auth: true })
    admin = await new MongoClient(mongo.adminUri as string).connect()
    const users = {
      reader: [{ role: 'read', db: 'shop' }],
      stranger: [{ role: 'read', db: 'other' }],
      finder: [{ role: 'onlyFind', db: 'admin' }],
    }
    const privileges = [{ resource: { db: 'shop', collection: '' }, actions: ['find'] }]
    await admin.db('admin').command({ createRole: 'onlyFind', privileges, roles: [] })
    for (const [createUser, roles] of Object.entries(users)) {
      await admin.db('admin').command({ createUser, pwd: PASSWORD, roles })
    }
  })
  afterAll(async () => {
    await admin?.close()
    await mongo?.stop()
  })

  it.each(['stranger', 'finder'])('refuses at the start a user who may not watch: %s', async user => {
    const error = await startError(uriOf(user))
    expect(error).toMatchObject({ code: 'CDC_SOURCE_UNAUTHORIZED', hint: expect.stringContaining('changeStream') })
    expect(everythingIn(error)).not.toMatch(/lsid|signature|pa55|clusterTime/)
  })

  it('refuses at the start somebody without a name', async () => {
    expect(await startError(mongo.uri)).toMatchObject({ code: 'CDC_SOURCE_UNAUTHORIZED' })
  })

  it('refuses at the start a wrong password, without repeating it', async () => {
    const error = await startError(uriOf('reader', 'wr0ng-s3cret'))
    expect(error).toMatchObject({ code: 'CDC_SOURCE_AUTH_FAILED', hint: expect.stringContaining('password') })
    expect(everythingIn(error)).not.toMatch(/wr0ng|s3cret/)
  })

  it.each(['command', 'driver'] as const)(
    'waits for a role that is revoked while it runs, and loses nothing (%s reader)',
    async reader => {
      const orders = admin.db('shop').collection('orders')
      const options = { uri: uriOf('reader'), database: 'shop', collections: ['orders'], maxAwaitTimeMS: 100, reader }
      const source = new ChangeStreamSource(options)
      const healths: PartHealth[] = []
      source.onHealth(health => healths.push(health))
      const revoked = (): boolean => source.health().reason === 'unauthorized'
      await reading(source, async stream => {
        await orders.insertOne({ n: 1 })
        await stream.events(1)
        const delays: number[] = []
        source.on('retry', ({ delayMs }) => delays.push(delayMs))
        const waits = once(source as never, 'retry')
        const roles = [{ role: 'read', db: 'shop' }]
        await admin.db('admin').command({ revokeRolesFromUser: 'reader', roles })
        const all = stream.events(2)
        await waits
        await orders.insertOne({ n: 2 })
        expect(revoked()).toBe(true)
        expect(everythingIn(source.health())).not.toMatch(/lsid|signature|pa55/)
        await admin.db('admin').command({ grantRolesToUser: 'reader', roles })
        expect((await all).map(record => record.event?.fullDocument)).toMatchObject([{ n: 1 }, { n: 2 }])
        expect(delays.every(delay => delay >= 2_500)).toBe(true)
        expect(healths.map(({ ok, reason }) => (ok ? 'ok' : reason))).toEqual(['ok', 'unauthorized', 'ok'])
      })
      await orders.drop()
    },
  )

  it('goes on with a user that is dropped and made again while it runs, since it logs in anew (either reader)', async () => {
    const orders = admin.db('shop').collection('orders')
    const roles = [{ role: 'read', db: 'shop' }]
    const create = () => admin.db('admin').command({ createUser: 'passing', pwd: PASSWORD, roles })
    await create()
    const sources = (['command', 'driver'] as const).map(
      reader => new ChangeStreamSource({ uri: uriOf('passing'), database: 'shop', maxAwaitTimeMS: 100, reader }),
    ) as [ChangeStreamSource, ChangeStreamSource]
    await reading(sources[0], one =>
      reading(sources[1], async other => {
        await orders.insertOne({ n: 1 })
        await Promise.all([one.events(1), other.events(1)])
        const dropped = Promise.all(sources.map(source => once(source as never, 'retry')))
        const all = Promise.all([one.events(2), other.events(2)])
        await admin.db('admin').command({ dropUser: 'passing' })
        await dropped
        for (const source of sources) expect(source.health().reason).toBe('unauthorized')
        await create()
        await orders.insertOne({ n: 2 })
        for (const records of await all) {
          expect(records.map(record => record.event?.fullDocument)).toMatchObject([{ n: 1 }, { n: 2 }])
        }
      }),
    )
    await orders.drop()
  })
})
