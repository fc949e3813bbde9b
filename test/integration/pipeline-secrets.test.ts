import { MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type MongoService, type RabbitService, startMongo, startRabbit } from '../../scripts/services/index.mjs'
import {
  ChangeStreamSource,
  type CheckpointStore,
  memoryCheckpointStore,
  mongoCheckpointStore,
  RabbitPublisher,
} from '../../src/index.js'
import { connect } from './support/mongo.js'
import { build, rejection, stopPipelines, unique } from './support/pipelines.js'
import { PipelineProcess } from './support/process.js'
import { encoded, PLANTED, password, Told } from './support/secrets.js'
import { inState, until } from './support/waiting.js'

const goodMongo = inject('mongoUri')
const goodAmqp = inject('amqpUrl')
const told = new Told()

interface Plan {
  readonly mongo?: string
  readonly amqp?: string | readonly string[]
  readonly store?: CheckpointStore
  readonly startTimeoutMs?: number
}

/** A pipeline from and to these addresses, all of whose words are noted. */
function listened({ mongo = goodMongo, amqp = goodAmqp, store = memoryCheckpointStore(), ...options }: Plan) {
  const { pipeline, source, sink } = build({
    database: 'secrets',
    url: '',
    queue: unique('secrets'),
    source: { uri: mongo },
    sink: { ...(typeof amqp === 'string' ? { url: amqp } : { urls: amqp }) },
    checkpointStore: store,
    ...options,
  })
  told.listen(pipeline, source, sink, store)
  pipeline.done.catch(error => told.note('done', error))
  return pipeline
}

/** The code with which such a pipeline does not start. A time to start in is for those that would be waited for. */
async function refused(plan: Plan): Promise<string | undefined> {
  const error = await rejection(listened(plan).start())
  told.note('start', error)
  return error.code
}

/** The code with which a constructor refuses, where it does. */
async function made(make: () => unknown): Promise<string | undefined> {
  const error = await rejection(new Promise(resolve => resolve(make())))
  told.note('constructor', error)
  return error.code
}

afterEach(async () => {
  await stopPipelines()
  expect(told.leaks()).toEqual([])
})

describe('a MongoDB password is told to nobody', () => {
  const user = `mongodb://reader:${encoded}@`

  it('while hosts do not answer, have no name or no SRV record', async () => {
    const addresses = [
      `${user}127.0.0.1:1/?replicaSet=rs0`,
      `${user}127.0.0.1:1,127.0.0.1:2/admin?authSource=admin`,
      `${user}no-such-host.invalid/`,
      `mongodb+srv://reader:${encoded}@no-such-host.invalid/`,
    ]
    // Long enough for the driver to give up once.
    const startTimeoutMs = 6_000
    const codes = await Promise.all(
      addresses.flatMap(mongo => [
        refused({ mongo, startTimeoutMs }),
        refused({ store: mongoCheckpointStore({ uri: mongo }), startTimeoutMs }),
      ]),
    )
    expect(codes).toEqual(codes.map(() => 'CDC_START_TIMEOUT'))
    expect([told.has('source retry'), told.has('pipeline checkpointFailed')]).toEqual([true, true])
  })

  it.each([
    ['a password that was not encoded', `mongodb://reader:p@${PLANTED}/w:rd@127.0.0.1:1/`],
    ['a password with a slash', `mongodb://reader:${PLANTED}/word@127.0.0.1:1/`],
    ['a password with a broken encoding', `mongodb://reader:${PLANTED}%ZZ@127.0.0.1:1/`],
    ['a password with a colon', `mongodb://reader:${PLANTED}:word@127.0.0.1:1/`],
    ['no host', `mongodb://reader:${PLANTED}@/`],
    ['a port that is none', `mongodb://reader:${PLANTED}@127.0.0.1:port/`],
    ['a port out of range', `mongodb://reader:${PLANTED}@127.0.0.1:70000/`],
    ['an unknown option', `mongodb://reader:${PLANTED}@127.0.0.1:1/?nonsense=${PLANTED}`],
    ['an option out of range', `mongodb://reader:${PLANTED}@127.0.0.1:1/?maxPoolSize=${PLANTED}`],
    ['an unknown mechanism', `mongodb://reader:${PLANTED}@127.0.0.1:1/?authMechanism=${PLANTED}`],
    ['another scheme', `mongo://reader:${PLANTED}@127.0.0.1:1/`],
    ['an SRV name with a port', `mongodb+srv://reader:${PLANTED}@host.invalid:27017/`],
    ['several SRV names', `mongodb+srv://reader:${PLANTED}@a.invalid,b.invalid/`],
    ['an SRV name that is too short', `mongodb+srv://reader:${PLANTED}@localhost/`],
    ['spaces around it', ` mongodb://reader:${PLANTED}@127.0.0.1:1/ `],
    ['no scheme', `reader:${PLANTED}@127.0.0.1`],
  ])('with a connection string that has %s', async (_, mongo) => {
    expect(await refused({ mongo, startTimeoutMs: 300 })).toMatch(/^CDC_(OPTION_INVALID|START_TIMEOUT)$/)
    const started = async () => refused({ store: mongoCheckpointStore({ uri: mongo }), startTimeoutMs: 300 })
    const code = await started().catch(error => {
      told.note('store', error)
      return error.code
    })
    expect(code).toMatch(/^CDC_(OPTION_INVALID|START_TIMEOUT)$/)
  })
})

describe('a RabbitMQ password is told to nobody', () => {
  const port = Number(new URL(goodAmqp).port)

  it.each([
    ['the wrong one', `127.0.0.1:${port}`, 'amqp', 'CDC_BROKER_AUTH_FAILED'],
    ['a port that nobody listens on', '127.0.0.1:1/%2F', 'amqp', 'CDC_START_TIMEOUT'],
    ['a name that DNS does not know', 'no-such-host.invalid', 'amqp', 'CDC_START_TIMEOUT'],
    ['a port without TLS', `127.0.0.1:${port}`, 'amqps', 'CDC_BROKER_TLS_FAILED'],
    ['a port that speaks another protocol', `127.0.0.1:${mongoPort()}`, 'amqp', 'CDC_START_TIMEOUT'],
  ])('with %s', async (_, host, scheme, code) => {
    const amqp = [`${scheme}://guest:${encoded}@${host}`, `${scheme}://other:${encoded}@${host}`]
    const plans = [{ amqp: amqp[0] as string }, { amqp }]
    const limit = code === 'CDC_START_TIMEOUT' ? { startTimeoutMs: 500 } : {}
    const codes = await Promise.all(plans.map(plan => refused({ ...plan, ...limit })))
    expect(codes).toEqual([code, code])
  })

  it.each([
    ['was not encoded', `amqp://guest:p@${PLANTED}/w:rd@127.0.0.1`],
    ['has a slash', `amqp://guest:${PLANTED}/word@127.0.0.1`],
    ['has a number sign', `amqp://guest:${PLANTED}#word@127.0.0.1`],
    ['has a question mark', `amqp://guest:${PLANTED}?word@127.0.0.1`],
    ['has a broken encoding', `amqp://guest:${PLANTED}%ZZ@127.0.0.1`],
    ['stands beside a port that is none', `amqp://guest:${PLANTED}@127.0.0.1:port`],
    ['stands beside several hosts', `amqp://guest:${PLANTED}@a:5672,b:5672/`],
    ['stands beside another scheme', `http://guest:${PLANTED}@127.0.0.1`],
    ['stands beside a heartbeat that is none', `amqp://guest:${PLANTED}@127.0.0.1?heartbeat=${PLANTED}`],
    ['stands in no URL', `guest:${PLANTED}@127.0.0.1`],
  ])('when it %s', async (_, url) => {
    expect(await made(() => new RabbitPublisher({ url }))).toBe('CDC_OPTION_INVALID')
    expect(await made(() => new RabbitPublisher({ urls: [goodAmqp, url] }))).toBe('CDC_OPTION_INVALID')
  })

  function mongoPort(): string {
    return /:(\d+)/.exec(goodMongo.replace('mongodb:', ''))?.[1] ?? '1'
  }
})

describe('with right passwords on servers of their own', () => {
  let mongo: MongoService
  let rabbit: RabbitService
  let mongoUri: string
  let amqpUrl: string

  beforeAll(async () => {
    ;[mongo, rabbit] = await Promise.all([startMongo({ auth: true }), startRabbit()])
    const admin = await connect(mongo.adminUri ?? '')
    await admin.db('admin').command({ createUser: 'reader', pwd: password, roles: ['root'] })
    await admin.close()
    await rabbit.rabbitmqctl('add_user', 'writer', password)
    await rabbit.rabbitmqctl('set_permissions', 'writer', '.*', '.*', '.*')
    mongoUri = mongo.uri.replace('//', `//reader:${encoded}@`)
    amqpUrl = rabbit.url.replace('guest:guest', `writer:${encoded}`)
  })

  afterAll(async () => {
    await Promise.all([mongo?.stop(), rabbit?.stop()])
  })

  it('a wrong one, or a missing virtual host, is refused by code alone', async () => {
    const wrong = mongoUri.replace(encoded, `${encoded}x`)
    expect(await refused({ mongo: wrong })).toBe('CDC_SOURCE_AUTH_FAILED')
    expect(await refused({ store: mongoCheckpointStore({ uri: wrong }) })).toBe('CDC_CHECKPOINT_FAILED')
    expect(await refused({ amqp: `${amqpUrl}/nowhere` })).toBe('CDC_BROKER_VHOST_MISSING')
    const process = await PipelineProcess.fork({
      mongoUri: wrong,
      amqpUrl,
      database: 'secrets',
      queue: 'secrets',
      store: { database: 'cdc' },
      verbose: true,
    })
    await process.ended()
    told.note('process', process.output)
    expect(process.output).toContain('CDC_CHECKPOINT_FAILED')
  })

  it('losing both servers in the middle of the work says everything but the passwords', async () => {
    const store = mongoCheckpointStore({ uri: mongoUri })
    const pipeline = listened({ mongo: mongoUri, amqp: [amqpUrl, amqpUrl], store })
    const process = await PipelineProcess.started({
      mongoUri,
      amqpUrl,
      database: 'secrets',
      queue: 'secrets',
      store: { database: 'cdc' },
      verbose: true,
    })
    await pipeline.start()
    const client = new MongoClient(mongoUri)
    await client.db('secrets').collection('c').insertOne({ n: 1 })
    await client.close()
    await until(
      async () => pipeline.stats().published === 1 && (await process.stats()).stats.published === 1,
      () => 'a message',
    )
    await Promise.all([mongo.nodes[0]?.kill(), rabbit.kill()])
    await inState(pipeline, 'degraded')
    await until(
      () => ['source retry', 'publisher disconnected', 'publisher retry'].every(what => told.has(what)),
      () => 'everybody to complain',
    )
    await until(
      () => process.output.includes('source retry') && process.output.includes('publisher retry'),
      () => 'the process to complain',
    )
    expect(await pipeline.stop({ drainTimeoutMs: 100 })).toBeDefined()
    await process.kill()
    told.note('process', process.output)
    told.note('source', new ChangeStreamSource({ uri: mongoUri }))
    expect(told.size).toBeGreaterThan(50)
  })
})

it('is what these tests would notice', () => {
  const noticed = new Told()
  const socket = Object.assign(new Error('no'), { credentials: Buffer.from(`\0guest\0${password}`) })
  noticed.note('bytes', new Error('outer', { cause: socket }))
  noticed.note('base64', Buffer.from(`\0guest\0${password}`).toString('base64'))
  noticed.note('encoded', new Error(`connect to reader:${encoded}@host`))
  noticed.note('nothing', new Error('connect to host'))
  expect(noticed.leaks()).toHaveLength(3)
})
