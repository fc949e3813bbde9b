import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type RabbitService, startRabbit, tcpProxy } from '../../scripts/services/index.mjs'
import { changeEventMessage, memoryCheckpointStore } from '../../src/index.js'
import { Inbox } from './support/inbox.js'
import { Load } from './support/load.js'
import { cursorsOf } from './support/mongo.js'
import { build, inDatabase, rejection, started, stopPipelines, unique } from './support/pipelines.js'
import { PipelineProcess } from './support/process.js'
import { check, complete, flawless, now, truth, verdict } from './support/truth.js'
import { inState, until } from './support/waiting.js'
import { queuesWrittenDown } from './support/written-down.js'

const uri = inject('mongoUri')
// A broker of this file alone: it is killed, and made to run out of memory.
let rabbit: RabbitService
let url: string
const inboxes: Inbox[] = []

beforeAll(async () => {
  rabbit = await startRabbit()
  url = rabbit.url
})

afterEach(async () => {
  await stopPipelines()
  await Promise.all(inboxes.splice(0).map(inbox => inbox.close()))
})

afterAll(async () => {
  await rabbit?.stop()
})

async function inboxOf(queue: string, args?: Record<string, unknown>): Promise<Inbox> {
  const inbox = await Inbox.idle(url, queue, args)
  inboxes.push(inbox)
  return inbox
}

describe('an event that no queue takes', () => {
  const transform = changeEventMessage({
    routingKey: event => ('fullDocument' in event && event.fullDocument?.to) || 'none',
  })

  it('stops the pipeline with a typed error, and is the first one after the next start', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('unroutable')
      const inbox = await inboxOf(queue)
      await inbox.consume()
      const checkpointStore = memoryCheckpointStore()
      const wanted = { client, database: db.databaseName, url, queue, checkpointStore }
      const { pipeline, sink } = build({ ...wanted, transform, maxAttempts: 2 })
      const documents = db.collection<{ _id: number; to: string }>('c')
      const returned: unknown[] = []
      sink.on('returned', ({ routingKey }) => returned.push(routingKey))
      const failed: unknown[] = []
      pipeline.on('failedEvent', ({ stage, action, attempts }) => failed.push({ stage, action, attempts }))
      await pipeline.start()
      await documents.insertMany([
        { _id: 1, to: queue },
        { _id: 2, to: 'nowhere' },
        { _id: 3, to: queue },
      ])
      const error = await rejection(pipeline.done)
      expect(error).toMatchObject({ code: 'CDC_EVENT_FAILED', cause: { code: 'CDC_UNROUTABLE', reason: 'unroutable' } })
      expect(pipeline.state).toBe('failed')
      expect(pipeline.health()).toMatchObject({ live: false, ready: false })
      expect(returned).toEqual(['nowhere', 'nowhere'])
      expect(failed).toEqual([{ stage: 'publish', action: 'stop', attempts: 2 }])
      // What it has published may still be on its way to the inbox.
      const before = pipeline.stats().published
      await inbox.take(before)
      await started(wanted)
      const again = (await inbox.take(before + 2)).slice(before)
      expect(again.map(({ body }) => body.documentKey)).toEqual([{ _id: 2 }, { _id: 3 }])
    }))

  it('is left out with "skip", and nothing else is', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('skip')
      const inbox = await inboxOf(queue)
      await inbox.consume()
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        transform,
        maxAttempts: 2,
        onFailedEvent: 'skip',
      })
      const documents = Array.from({ length: 40 }, (_, _id) => ({ _id, to: _id % 10 === 5 ? 'nowhere' : queue }))
      await db.collection<{ _id: number; to: string }>('c').insertMany(documents)
      await inbox.take(36)
      // A message is in the queue before its confirm is here.
      await until(
        () => pipeline.stats().skipped === 4 && pipeline.stats().inFlight === 0,
        () => `4 skipped and none in flight, got ${JSON.stringify(pipeline.stats())}`,
      )
      const arrived = inbox.received.map(({ body }) => (body.documentKey as { _id: number })._id)
      expect(arrived.sort((a, b) => a - b)).toEqual(documents.filter(({ to }) => to === queue).map(({ _id }) => _id))
      expect(pipeline.stats()).toMatchObject({ failed: 4, skipped: 4, published: 36, inFlight: 0 })
      expect(pipeline.state).toBe('running')
    }))
})

describe('a full queue', () => {
  it('degrades the pipeline until somebody consumes, and neither loses nor overtakes anything', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('full')
      const args = { 'x-max-length': 20, 'x-overflow': 'reject-publish' }
      const inbox = await inboxOf(queue, args)
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        sink: { queue: { name: queue, arguments: args } },
        maxInFlight: 100,
      })
      const from = await now(client)
      const load = new Load([db.collection('a')], { documents: 10, everyMs: 1 })
      await inState(pipeline, 'degraded', 'nack')
      await until(
        () => load.written >= 200,
        () => `200 writes, got ${load.written}`,
      )
      await load.stop()
      expect(pipeline.stats().peakInFlight).toBeLessThanOrEqual(100)
      expect(pipeline.health()).toMatchObject({ live: true, ready: false, reasons: ['nack'] })
      await inbox.consume()
      expect(await verdict(client, db.databaseName, from, inbox, 50)).toEqual({ ...flawless, duplicates: 0 })
      await inState(pipeline, 'running')
      expect(pipeline.stats().failed).toBe(0)
    }))
})

describe('a queue that somebody deletes', () => {
  it('is declared again, and nothing that comes after the deletion is lost', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('deleted')
      const inbox = await inboxOf(queue)
      const { pipeline } = await started({ client, database: db.databaseName, url, queue })
      const load = new Load([db.collection('a')], { everyMs: 1 })
      await until(
        () => pipeline.stats().published > 50,
        () => 'some messages',
      )
      await inbox.channel.deleteQueue(queue)
      // From here on: what was confirmed before is gone with the queue.
      const from = await now(client)
      const { published } = pipeline.stats()
      await until(
        () => pipeline.stats().published > published + 200,
        () => 'more messages',
      )
      await load.stop()
      const again = await inboxOf(queue)
      await again.consume()
      const expected = await truth(client, { database: db.databaseName }, from)
      await again
        .until(
          () => complete(expected, again.received),
          () => 'everything',
        )
        .catch(() => {})
      // The new queue begins with what was on its way when the old one went.
      const { unexpected, ...rest } = check(expected, again.received)
      const { unexpected: _, ...nothing } = flawless
      expect(rest).toEqual({ ...nothing, duplicates: 0 })
      expect(unexpected.length).toBeLessThan(1000)
      expect(pipeline.state).toBe('running')
    }))
})

describe('an exchange that somebody deletes', () => {
  it('is declared and bound again, and nothing is lost at all', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('bound')
      const inbox = await inboxOf(queue)
      await inbox.consume()
      const exchange = { name: unique('exchange') }
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        sink: { exchange, queue: { name: queue } },
        maxInFlight: 100,
      })
      const from = await now(client)
      const load = new Load([db.collection('a')], { everyMs: 1 })
      for (const arrived of [50, 200]) {
        await inbox.take(arrived)
        await inbox.channel.deleteExchange(exchange.name)
      }
      await inbox.take(400)
      await load.stop()
      const { duplicates, ...rest } = await verdict(client, db.databaseName, from, inbox, 50)
      expect(rest).toEqual(flawless)
      expect(duplicates).toBeLessThanOrEqual(2 * 100)
      expect(pipeline.stats()).toMatchObject({ state: 'running', failed: 0 })
    }))
})

describe('a broker', () => {
  it('that keeps silent does not hold up a stop, and the next start sends what was unconfirmed', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('silent')
      const inbox = await inboxOf(queue)
      await inbox.consume()
      const proxy = await tcpProxy(rabbit.port)
      const checkpointStore = memoryCheckpointStore()
      const wanted = { client, database: db.databaseName, queue, checkpointStore, maxInFlight: 100 }
      const { pipeline } = await started({ ...wanted, url: url.replace(/:\d+$/, `:${proxy.port}`) })
      const from = await now(client)
      const load = new Load([db.collection('a')], { documents: 500, everyMs: 1 })
      await inbox.take(50)
      proxy.mode = 'drop-replies'
      await until(
        () => pipeline.stats().inFlight === 100,
        () => 'a full span',
      )
      const stopping = performance.now()
      const { drained, unconfirmed } = await pipeline.stop({ drainTimeoutMs: 100 })
      expect(performance.now() - stopping).toBeLessThan(6_000)
      expect([drained, unconfirmed]).toEqual([false, 100])
      await proxy.close()
      await started({ ...wanted, url })
      await inbox.take(300)
      await load.stop()
      const { duplicates, ...rest } = await verdict(client, db.databaseName, from, inbox, 50)
      expect(rest).toEqual(flawless)
      expect(duplicates).toBeLessThanOrEqual(100)
    }))

  it('that crashes and comes back costs nothing but copies of what was in flight', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('crash')
      await inboxOf(queue)
      await queuesWrittenDown(rabbit)
      const { pipeline, sink } = await started({ client, database: db.databaseName, url, queue, maxInFlight: 100 })
      const from = await now(client)
      const load = new Load([db.collection('a')], { everyMs: 1 })
      await until(
        () => pipeline.stats().published > 100,
        () => 'some messages',
      )
      const connections: number[] = []
      sink.on('connected', ({ resent }) => connections.push(resent))
      await rabbit.kill()
      await inState(pipeline, 'degraded', 'reconnecting')
      await rabbit.restart()
      await inState(pipeline, 'running')
      const { published } = pipeline.stats()
      await until(
        () => pipeline.stats().published > published + 100,
        () => 'more messages',
      )
      await load.stop()
      const inbox = await inboxOf(queue)
      await inbox.consume()
      const { duplicates, ...rest } = await verdict(client, db.databaseName, from, inbox, 50)
      expect(rest).toEqual(flawless)
      expect(connections).toHaveLength(1)
      expect(duplicates).toBeLessThanOrEqual(100)
      expect(pipeline.stats().peakInFlight).toBeLessThanOrEqual(100)
    }))

  it('without memory stops the reading, not the process, until it has memory again', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('blocked')
      const inbox = await inboxOf(queue)
      const process = await PipelineProcess.started({
        mongoUri: uri,
        amqpUrl: url,
        database: db.databaseName,
        queue,
        store: { database: `${db.databaseName}_store` },
        pipeline: { maxInFlight: 1_000 },
      })
      const from = await now(client)
      const load = new Load([db.collection('a')], { everyMs: 0, bytes: 20_000 })
      await until(
        async () => (await process.stats()).stats.published > 100,
        () => 'some messages',
      )
      await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '1000000')
      await until(
        async () => (await process.stats()).reasons.includes('blocked'),
        () => 'the reason blocked',
      )
      const blocked = await process.stats()
      const written = load.written
      await until(
        () => load.written > written + 600,
        () => '12 MB of writes',
      )
      const later = await process.stats()
      expect(later.stats.state).toBe('degraded')
      expect(later.reasons).toEqual(['blocked'])
      expect(later.stats.read).toBe(blocked.stats.read)
      // Beside the span there are at most two batches, each cut at 16 MB by the server.
      expect(later.rss - blocked.rss).toBeLessThan(60 * 2 ** 20)
      expect(later.stats.lagMs).toBeGreaterThan(blocked.stats.lagMs)
      await rabbit.rabbitmqctl('set_vm_memory_high_watermark', '0.4')
      await load.stop()
      await inbox.consume()
      expect(await verdict(client, db.databaseName, from, inbox, 50)).toEqual({ ...flawless, duplicates: 0 })
      expect((await process.stats()).stats.state).toBe('running')
      expect(await process.stop()).toEqual({ drained: true, unconfirmed: 0 })
      await client.db(`${db.databaseName}_store`).dropDatabase()
    }))
})

describe('a start that can not succeed', () => {
  async function refused(sink: object, code: string, hint: RegExp): Promise<void> {
    await inDatabase(uri, async (db, client) => {
      const { pipeline } = build({ client, database: db.databaseName, url, queue: unique('refused'), sink })
      const error = await rejection(pipeline.start())
      expect(error).toMatchObject({ code, retryable: false })
      expect(error.message).toMatch(hint)
      expect(pipeline.state).toBe('failed')
      await pipeline.done.catch(() => {})
      await until(
        async () => (await connectionsOf()) <= inboxes.length,
        () => 'no connection but those of the inboxes',
      )
      // The client isn't ours, so it is still open; of the stream nothing is left.
      await until(
        async () => (await cursorsOf(client, db.databaseName)) === 0,
        () => 'no cursor',
      )
    })
  }

  async function connectionsOf(): Promise<number> {
    const listed = await rabbit.rabbitmqctl('list_connections', 'pid')
    return listed.split('\n').filter(line => line.startsWith('<')).length
  }

  it('says that the password is wrong', () =>
    refused({ url: `amqp://guest:wrong@127.0.0.1:${rabbit.port}` }, 'CDC_BROKER_AUTH_FAILED', /password/))

  it('says that the virtual host is missing', () =>
    refused({ url: `${rabbit.url}/nowhere` }, 'CDC_BROKER_VHOST_MISSING', /nowhere/))

  it('says that the queue exists with other properties', async () => {
    const { queue } = await inboxOf(unique('mismatch'))
    await refused(
      { queue: { name: queue, arguments: { 'x-max-length': 5 } } },
      'CDC_TOPOLOGY_MISMATCH',
      /PRECONDITION_FAILED.*x-max-length/,
    )
  })
})
