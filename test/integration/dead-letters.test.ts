import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BSON, type ChangeStreamDocument, type Db, Decimal128, Double, Int32, Long, type MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import {
  changeEventMessage,
  deadLetterMessage,
  messageId,
  parseDeadLetter,
  type RabbitMessage,
  RabbitPublisher,
  redrive,
} from '../../src/index.js'
import { depthOf, Inboxes } from './support/inbox.js'
import { inDatabase, rejection, started, unique } from './support/pipelines.js'
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

describe('a dead letter', () => {
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
