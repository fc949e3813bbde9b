import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MongoService, startMongo, tcpProxy } from '../../scripts/services/index.mjs'
import { CheckpointError, SourceError } from '../../src/errors.js'
import { mongoCheckpointStore } from '../../src/index.js'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import { type Certificate, createAuthority } from './support/certificates.js'
import { Reading, reading } from './support/mongo.js'

// A server of this file alone, which speaks nothing but TLS, and whose certificate changes.
const authority = createAuthority('CDC test authority')
const stranger = createAuthority('Somebody else')
const good = authority.issue({ commonName: 'mongod', hosts: ['127.0.0.1'] })
let folder: string
let mongo: MongoService
let uri: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-tls-'))
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  writeFileSync(join(folder, 'stranger.pem'), stranger.ca)
  present(good)
  const files = ['--tlsCertificateKeyFile', join(folder, 'server.pem'), '--tlsCAFile', join(folder, 'ca.pem')]
  const clients = ['--tlsAllowConnectionsWithoutCertificates']
  mongo = await startMongo({ args: ['--tlsMode', 'preferTLS', ...files, ...clients] })
  uri = withTls('ca.pem')
  // Whoever started it asked without TLS whether it is ready.
  await asAdmin({ setParameter: 1, tlsMode: 'requireTLS' })
})

afterAll(async () => {
  await mongo?.stop()
  rmSync(folder, { recursive: true, force: true })
})

function present({ cert, key }: Certificate): void {
  writeFileSync(join(folder, 'server.pem'), cert + key)
}

function withTls(ca: string): string {
  return `${mongo.uri}&tls=true&tlsCAFile=${encodeURIComponent(join(folder, ca))}`
}

async function asAdmin(command: Record<string, unknown>): Promise<void> {
  const client = new MongoClient(`${mongo.uri}&tls=true&tlsInsecure=true&serverSelectionTimeoutMS=5000`)
  try {
    await client.db('admin').command(command)
  } finally {
    await client.close()
  }
}

async function renew(certificate: Certificate): Promise<void> {
  present(certificate)
  await asAdmin({ rotateCertificates: 1 })
}

/** Has the server show a certificate that expires soon. It takes on none that has already: that has to happen in use. */
async function expiring(): Promise<Date> {
  for (let ms = 2_000; ; ms *= 2) {
    const notAfter = new Date(Date.now() + ms)
    try {
      await renew(authority.issue({ commonName: 'mongod', hosts: ['127.0.0.1'], notAfter }))
      return notAfter
    } catch (error) {
      if (Date.now() < notAfter.getTime()) throw error
    }
  }
}

/** The error with which a source ends that neither goes on nor tries again. */
async function refusal(own: string): Promise<unknown> {
  const source = new ChangeStreamSource({ uri: own, database: 'shop', maxAwaitTimeMS: 100 })
  const abort = new AbortController()
  source.on('retry', ({ error }) => abort.abort(new Error('It is tried again', { cause: error })))
  try {
    return await source.startPosition({ signal: abort.signal }).catch((error: unknown) => error)
  } finally {
    await source.close()
  }
}

function expectRefused(error: unknown, text: RegExp): void {
  expect(error).toBeInstanceOf(SourceError)
  expect(error).toMatchObject({ code: 'CDC_SOURCE_TLS_FAILED', retryable: false })
  expect((error as SourceError).message).toMatch(text)
}

describe('TLS to MongoDB', () => {
  it('reads changes', async () => {
    const source = new ChangeStreamSource({ uri, database: 'shop', maxAwaitTimeMS: 100 })
    await reading(source, async stream => {
      const client = new MongoClient(uri)
      await client.db('shop').collection('orders').insertOne({ n: 1 })
      await client.close()
      expect(await stream.events(1)).toHaveLength(1)
    })
  })

  it('refuses an authority that nobody named', async () => {
    expectRefused(await refusal(`${mongo.uri}&tls=true`), /certificate/)
    expectRefused(await refusal(withTls('stranger.pem')), /certificate/)
  })

  it('refuses a file of authorities that is missing, without waiting for it', async () => {
    expectRefused(await refusal(withTls('missing.pem')), /no such file/)
  })

  it('refuses a certificate of another host', async () => {
    await renew(authority.issue({ commonName: 'mongod', hosts: ['other.test'] }))
    try {
      expectRefused(await refusal(uri), /does not match/)
    } finally {
      await renew(good)
    }
  })

  it('refuses an expired certificate, and so does a checkpoint store', async () => {
    const notAfter = await expiring()
    try {
      // The date itself has to pass, and both sides count in whole seconds.
      await new Promise(resolve => setTimeout(resolve, notAfter.getTime() + 1_000 - Date.now()))
      expectRefused(await refusal(uri), /expired/)
      const store = mongoCheckpointStore({ uri })
      const error = await store.load('orders').catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(CheckpointError)
      expect(error).toMatchObject({ code: 'CDC_CHECKPOINT_FAILED', retryable: false })
      await store.close?.()
    } finally {
      await renew(good)
    }
  })

  it('waits, unhealthy, for a certificate that became bad while it runs, and goes on when it is renewed', async () => {
    const port = mongo.nodes[0]?.port ?? 0
    const proxy = await tcpProxy(port)
    const through = uri.replace(`:${port}`, `:${proxy.port}`).replace(/replicaSet=\w+/, 'directConnection=true')
    const source = new ChangeStreamSource({ uri: through, database: 'shop', maxAwaitTimeMS: 100 })
    const stream = await new Reading(source).stands()
    try {
      const unauthorized = new Promise(resolve => {
        source.onHealth(health => health.reason === 'unauthorized' && resolve(health))
      })
      await renew(stranger.issue({ commonName: 'mongod', hosts: ['127.0.0.1'] }))
      proxy.reset()
      const events = stream.events(1)
      expect(await unauthorized).toMatchObject({ ok: false })
      await renew(good)
      const client = new MongoClient(uri)
      await client.db('shop').collection('orders').insertOne({ n: 2 })
      await client.close()
      expect(await events).toHaveLength(1)
    } finally {
      await stream.stop()
      await proxy.close()
    }
  })

  it('logs in with the certificate of the client, and refuses one that names no user', async () => {
    const admin = new MongoClient(`${mongo.uri}&tls=true&tlsInsecure=true`)
    const roles = [{ role: 'root', db: 'admin' }]
    await admin.db('$external').command({ createUser: 'CN=cdc-reader', roles })
    await admin.close()
    const source = new ChangeStreamSource({
      uri: withClient('known', 'cdc-reader'),
      database: 'shop',
      maxAwaitTimeMS: 100,
    })
    await reading(source, async stream => {
      const client = new MongoClient(withClient('known', 'cdc-reader'))
      const { authInfo } = await client.db('admin').command({ connectionStatus: 1 })
      expect(authInfo.authenticatedUsers).toEqual([{ user: 'CN=cdc-reader', db: '$external' }])
      await client.db('shop').collection('orders').insertOne({ n: 3 })
      await client.close()
      expect(await stream.events(1)).toHaveLength(1)
    })
    const error = await refusal(withClient('unknown', 'cdc-nobody'))
    expect(error).toMatchObject({ code: 'CDC_SOURCE_AUTH_FAILED', retryable: false })
  })
})

/** A URI that logs in by a certificate of this name. */
function withClient(file: string, commonName: string): string {
  const path = join(folder, `${file}.pem`)
  const { cert, key } = authority.issue({ commonName })
  writeFileSync(path, cert + key)
  const login = 'authMechanism=MONGODB-X509&authSource=%24external'
  return `${uri}&tlsCertificateKeyFile=${encodeURIComponent(path)}&${login}`
}
