import type { ClientSession, Db, MongoClient } from 'mongodb'
import { describe, expect, inject, it } from 'vitest'
import {
  byAggregate,
  type CdcPipeline,
  deleteAfterConfirm,
  enqueue,
  map,
  type NewOutboxEntry,
  type OutboxCleaner,
  type OutboxEntry,
  onlyOperations,
  outboxRouter,
  pipe,
} from '../../src/index.js'
import { deferred, sleep } from '../../src/waiting.js'
import { Inbox } from './support/inbox.js'
import { build, inDatabase, unique } from './support/pipelines.js'
import { until } from './support/waiting.js'

const mongoUri = inject('mongoUri')
const url = inject('amqpUrl')

interface Service {
  readonly db: Db
  readonly client: MongoClient
  readonly inbox: Inbox
  readonly pipeline: CdcPipeline
  readonly cleaner: OutboxCleaner
  /** One business write and one entry, in one transaction. */
  place(session: ClientSession, entry: NewOutboxEntry): Promise<void>
  entries(): Promise<number>
}

function entryOf(aggregateId: number, n: number): NewOutboxEntry {
  return { aggregateType: 'order', aggregateId, type: 'changed', payload: { aggregateId, n } }
}

/** A service with an outbox, whose pipeline runs; what `before` returns is awaited before an entry is shaped. */
async function withService(
  use: (service: Service) => Promise<void>,
  before: (entry: OutboxEntry) => Promise<void> | undefined = () => undefined,
): Promise<void> {
  await inDatabase(mongoUri, async (db, client) => {
    const queue = unique('outbox')
    const outbox = db.collection<OutboxEntry>('outbox')
    const inbox = await Inbox.open(url, queue)
    try {
      const { pipeline } = build({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { collections: ['outbox'] },
        transform: pipe(
          onlyOperations('insert'),
          map(async event => {
            await before(event.fullDocument as OutboxEntry)
            return event
          }),
          outboxRouter(),
        ),
        sink: { exchange: { name: unique('events'), autoDelete: true }, queue: { name: queue } },
        ordering: byAggregate,
      })
      const cleaner = deleteAfterConfirm(pipeline, outbox, { intervalMs: 20 })
      await pipeline.start()
      await use({
        db,
        client,
        inbox,
        pipeline,
        cleaner,
        async place(session, entry) {
          await db.collection('orders').insertOne({ of: entry.aggregateId }, { session })
          await enqueue(outbox, session, entry)
        },
        entries: () => outbox.countDocuments(),
      })
      await pipeline.stop()
      await cleaner.stop()
    } finally {
      await inbox.channel.deleteQueue(queue)
      await inbox.close()
    }
  })
}

describe('an outbox', () => {
  it('publishes what was committed, with a stable id, and deletes the entry when it is confirmed', async () => {
    await withService(async ({ client, inbox, place, entries }) => {
      await client.withSession(session => session.withTransaction(() => place(session, entryOf(7, 1))))
      const [message] = await inbox.take(1)
      expect(message).toMatchObject({ routingKey: 'order.changed', body: { aggregateId: 7, n: 1 } })
      expect(message?.headers).toMatchObject({ 'x-cdc-aggregate-type': 'order', 'x-cdc-aggregate-id': '7' })
      expect(message?.messageId).toMatch(/^[0-9a-f]{24}$/)
      await until(
        async () => (await entries()) === 0,
        () => 'the entry is deleted',
      )
    })
  })

  it('publishes nothing of a transaction that was aborted', async () => {
    await withService(async ({ client, db, inbox, place }) => {
      await client.withSession(async session => {
        const aborted = session.withTransaction(async () => {
          await place(session, entryOf(1, 1))
          throw new Error('out of stock')
        })
        await expect(aborted).rejects.toThrow('out of stock')
        await session.withTransaction(() => place(session, entryOf(2, 2)))
      })
      // The stream is ordered: had the first been published, it would have come before the second.
      const [first] = await inbox.take(1)
      expect(first?.body).toEqual({ aggregateId: 2, n: 2 })
      expect(await db.collection('orders').countDocuments()).toBe(1)
    })
  })

  it('writes nothing outside a transaction', async () => {
    await withService(async ({ client, place, entries }) => {
      await client.withSession(async session => {
        await expect(place(session, entryOf(1, 1))).rejects.toMatchObject({ code: 'CDC_OUTBOX_NO_TRANSACTION' })
      })
      expect(await entries()).toBe(0)
    })
  })

  it('keeps the order of each aggregate although later entries are ready sooner, and leaves no entry', async () => {
    const [aggregates, each] = [4, 10]
    const written = deferred<void>()
    const laterSooner = async ({ payload }: OutboxEntry): Promise<void> => {
      await written.promise
      // The delay is the input: a later entry can't be awaited here, as an aggregate has one at a time in work.
      await sleep(2 * (each - (payload as { n: number }).n))
    }
    await withService(async ({ client, inbox, pipeline, cleaner, place, entries }) => {
      const write = async (aggregateId: number): Promise<void> => {
        await client.withSession(async session => {
          for (let n = 0; n < each; n++) await session.withTransaction(() => place(session, entryOf(aggregateId, n)))
        })
      }
      await Promise.all(Array.from({ length: aggregates }, (_, aggregateId) => write(aggregateId)))
      written.resolve()
      const messages = await inbox.take(aggregates * each)
      for (let aggregateId = 0; aggregateId < aggregates; aggregateId++) {
        const own = messages.filter(({ body }) => body.aggregateId === aggregateId)
        expect(own.map(({ body }) => body.n)).toEqual(Array.from({ length: each }, (_, n) => n))
      }
      expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(aggregates * each)
      expect(await pipeline.stop()).toMatchObject({ drained: true })
      await cleaner.stop()
      expect(await entries()).toBe(0)
    }, laterSooner)
  })
})
