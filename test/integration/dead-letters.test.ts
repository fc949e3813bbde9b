import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BSON, type ChangeStreamDocument, type Db, Decimal128, Double, Int32, Long, type MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import {
  changeEventMessage,
  deadLetterMessage,
  memoryCheckpointStore,
  messageId,
  parseDeadLetter,
  type RabbitMessage,
  RabbitPublisher,
  redrive,
} from '../../src/index.js'
import { depthOf, type Inbox, Inboxes, type Received } from './support/inbox.js'
import { build, inDatabase, rejection, started, unique } from './support/pipelines.js'
import { PipelineProcess } from './support/process.js'
import { check, complete, flawless, now, type TrueEvent, truth } from './support/truth.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cdc-dead-'))
})

afterEach(() => inboxes.remove())

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const documents = 20
const poisons = [200, 201, 500, 777]

/** 1,000 good changes of a few documents, and some in the middle that no transform takes. */
async function write(db: Db): Promise<void> {
  const changes = db.collection<{ _id: number; n?: number; poison?: boolean }>('c')
  await changes.insertMany(Array.from({ length: documents }, (_, _id) => ({ _id })))
  const operations = Array.from({ length: 1000 }, (_, n) => {
    const poison = poisons.includes(n)
    const good = { replaceOne: { filter: { _id: n % documents }, replacement: { n } } }
    const bad = { replaceOne: { filter: { _id: n % documents }, replacement: { n, poison } } }
    return poison ? [bad, good] : [good]
  })
  await changes.bulkWrite(operations.flat())
}

interface Expected {
  readonly good: TrueEvent[]
  readonly poison: TrueEvent[]
}

async function expectedOf(client: MongoClient, db: Db, from: Awaited<ReturnType<typeof now>>): Promise<Expected> {
  const all = await truth(client, { database: db.databaseName }, from)
  const isPoison = ({ event }: TrueEvent): boolean => event.fullDocument?.poison === true
  expect(all.filter(isPoison)).toHaveLength(poisons.length)
  return { good: all.filter(event => !isPoison(event)), poison: all.filter(isPoison) }
}

async function everything(expected: readonly TrueEvent[], inbox: Inbox): Promise<void> {
  await inbox.until(
    () => complete(expected, inbox.received),
    () => `${expected.length} events, got ${inbox.received.length} messages`,
  )
}

/** The token of the event in a dead letter. */
function tokenOf({ body }: Received): string {
  return (body.event as { _id: { _data: string } })._id._data
}

describe('poison in the middle of 1,000 good changes', () => {
  it.each(['skip', 'dead-letter'] as const)(
    'with "%s" lets all others arrive in order, also when the process is killed on the way',
    onFailedEvent =>
      inDatabase(uri, async (db, client) => {
        const queue = unique(onFailedEvent)
        const inbox = await inboxes.open(url, queue)
        const letters = await inboxes.open(url, unique('letters'))
        const options = {
          mongoUri: uri,
          amqpUrl: url,
          database: db.databaseName,
          queue,
          store: { path: join(folder, '{name}.json') },
          pipeline: { maxInFlight: 50, checkpointIntervalMs: 50 },
          slowMs: 5,
          onFailedEvent,
          deadLetters: letters.queue,
        }
        const first = await PipelineProcess.started(options)
        const from = await now(client)
        await write(db)
        await inbox.take(230) // behind the first poison, before the last
        await first.kill()
        const second = await PipelineProcess.started(options)
        const { good, poison } = await expectedOf(client, db, from)
        await everything(good, inbox)
        await second.stop()
        const { duplicates, ...verdict } = check(good, inbox.received)
        expect(verdict).toEqual(flawless)
        const tokens = poison.map(({ token }) => token)
        if (onFailedEvent === 'skip') {
          expect(letters.received).toEqual([])
          return
        }
        await letters.take(poisons.length)
        expect(new Set(letters.received.map(tokenOf))).toEqual(new Set(tokens))
        for (const letter of letters.received) expect(letter.messageId).toBe(messageId(tokenOf(letter), -1))
      }),
  )

  it('with "stop" ends there, at each start again, until the transform is mended; then all arrive in order', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('stop')
      const inbox = await inboxes.open(url, queue)
      const shape = changeEventMessage()
      const failing = (event: ChangeStreamDocument): RabbitMessage => {
        if (isPoison(event)) throw new Error('poison')
        return shape(event)
      }
      const wanted = { client, database: db.databaseName, url, queue, checkpointStore: memoryCheckpointStore() }
      const { pipeline } = await started({ ...wanted, transform: failing })
      const from = await now(client)
      await write(db)
      expect(await rejection(pipeline.done)).toMatchObject({ code: 'CDC_EVENT_FAILED' })
      const again = build({ ...wanted, transform: failing }).pipeline
      await again.start().catch(() => {})
      expect(await rejection(again.done)).toMatchObject({ code: 'CDC_EVENT_FAILED' })
      const { good, poison } = await expectedOf(client, db, from)
      const arrived = new Set(inbox.received.map(({ token }) => token))
      expect(arrived.has(poison[0]?.token)).toBe(false)
      await started(wanted)
      const all = await truth(client, { database: db.databaseName }, from)
      expect(all).toHaveLength(good.length + poison.length)
      await everything(all, inbox)
      const { duplicates, ...verdict } = check(all, inbox.received)
      expect(verdict).toEqual(flawless)
    }))

  it('waits with the position while the queue of dead letters is full, and goes on when there is room', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('full')
      await inboxes.open(url, queue)
      const full = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
      const letters = await inboxes.idle(url, unique('letters'), full)
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        transform: () => {
          throw new Error('poison')
        },
        onFailedEvent: 'dead-letter',
        deadLetter: { message: deadLetterMessage({ exchange: '', routingKey: letters.queue }) },
      })
      await db.collection('c').insertMany(Array.from({ length: 5 }, (_, n) => ({ n })))
      await until(
        () => pipeline.health().reasons.includes('nack'),
        () => 'a letter that finds no room',
      )
      expect(pipeline.stats().inFlight).toBeGreaterThan(0)
      await letters.consume()
      await letters.take(5)
      await until(
        () => pipeline.stats().deadLettered === 5,
        () => `5 letters, got ${pipeline.stats().deadLettered}`,
      )
      expect((await pipeline.stop()).drained).toBe(true)
    }))
})

function isPoison(event: ChangeStreamDocument): boolean {
  return (event as { fullDocument?: { poison?: unknown } }).fullDocument?.poison === true
}

describe('redrive', () => {
  const values = {
    int: new Int32(1),
    double: new Double(1),
    long: Long.fromString('9007199254740993'),
    decimal: Decimal128.fromString('1.10'),
    date: new Date(0),
    nested: BSON.EJSON.parse('{"a":[null,{"$minKey":1}]}'),
    binary: new BSON.Binary(Buffer.from([1, 2, 3])),
    uuid: new BSON.UUID(),
    regex: new BSON.BSONRegExp('(?i)x', 'm'),
    reference: new BSON.DBRef('other', new BSON.ObjectId()),
    'a.b': { $odd: 1 },
  }

  /** Leaves a dead letter of each document, and what the mended transform makes of the true events. */
  async function deadLettersOf(db: Db, client: MongoClient, docs: object[], ejson: 'relaxed' | 'canonical') {
    const letters = await inboxes.idle(url, unique('letters'))
    const shape = changeEventMessage({ ejson })
    const wanted: { id: string; text: string }[] = []
    const queue = unique('dead')
    await inboxes.open(url, queue)
    const { pipeline } = await started({
      client,
      database: db.databaseName,
      url,
      queue,
      ...(ejson === 'canonical' && { source: { promoteValues: false } }),
      transform: event => {
        const { _data } = event._id as { _data: string }
        wanted.push({ id: messageId(_data, 0), text: Buffer.from(shape(event).body).toString() })
        throw new Error('poison')
      },
      onFailedEvent: 'dead-letter',
      deadLetter: { message: deadLetterMessage({ exchange: '', routingKey: letters.queue }) },
    })
    await db.collection('c').insertMany(docs)
    await until(
      () => pipeline.stats().deadLettered === docs.length,
      () => `${docs.length} letters, got ${pipeline.stats().deadLettered}`,
    )
    await pipeline.stop()
    return { letters, wanted, shape }
  }

  it.each(['relaxed', 'canonical'] as const)(
    'sends each event once, under the id and with the %s bytes that it would have had',
    ejson =>
      inDatabase(uri, async (db, client) => {
        const docs = Array.from({ length: 5 }, (_, n) => ({ ...values, n }))
        const { letters, wanted, shape } = await deadLettersOf(db, client, docs, ejson)
        const inbox = await inboxes.open(url, unique('redriven'))
        const sink = new RabbitPublisher({ url, queue: { name: inbox.queue } })
        const result = await redrive({ url, queue: letters.queue, transform: shape, sink })
        expect(result).toEqual({ redriven: 5, filtered: 0, failed: 0, remaining: 0, failures: [] })
        await inbox.take(5)
        expect(inbox.received.map(({ messageId, text }) => ({ id: messageId, text }))).toEqual(wanted)
        expect(await depthOf(letters)).toBe(0)
      }),
  )

  it('leaves in their place those that fail again, tells why, and takes no more than `limit`', () =>
    inDatabase(uri, async (db, client) => {
      const docs = Array.from({ length: 5 }, (_, n) => ({ n }))
      const { letters, shape } = await deadLettersOf(db, client, docs, 'relaxed')
      const inbox = await inboxes.open(url, unique('redriven'))
      const transform = (event: ChangeStreamDocument): RabbitMessage | null => {
        const { n } = (event as unknown as { fullDocument: { n: number } }).fullDocument
        if (n === 0) throw new Error('still poison')
        return n === 1 ? null : shape(event)
      }
      const again = (limit?: number) =>
        redrive({
          url,
          queue: letters.queue,
          transform,
          sink: new RabbitPublisher({ url, queue: { name: inbox.queue } }),
          ...(limit !== undefined && { limit }),
        })
      expect(await again(3)).toEqual({
        redriven: 1,
        filtered: 1,
        failed: 1,
        remaining: 3,
        failures: [{ messageId: expect.any(String), error: expect.objectContaining({ message: 'still poison' }) }],
      })
      expect(await again()).toMatchObject({ redriven: 2, failed: 1, remaining: 1 })
      await inbox.take(3)
      expect(inbox.received.map(({ body }) => (body.fullDocument as { n: number }).n)).toEqual([2, 3, 4])
      await letters.consume()
      const [left] = await letters.take(1)
      expect((await parseDeadLetter(left?.text ?? '')).event).toMatchObject({ fullDocument: { n: 0 } })
    }))

  it('says that there is no such queue', async () => {
    const inbox = await inboxes.open(url, unique('none'))
    const sink = new RabbitPublisher({ url, queue: { name: inbox.queue } })
    const failed = redrive({ url, queue: unique('missing'), transform: () => null, sink })
    expect(await rejection(failed)).toMatchObject({ code: 'CDC_TOPOLOGY_MISSING' })
  })
})
