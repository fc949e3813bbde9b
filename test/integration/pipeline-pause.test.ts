import { afterEach, describe, expect, inject, it } from 'vitest'
import { memoryCheckpointStore } from '../../src/index.js'
import { Inboxes } from './support/inbox.js'
import { Load } from './support/load.js'
import { cursorsOf } from './support/mongo.js'
import { inDatabase, started, unique } from './support/pipelines.js'
import { check, complete, flawless, now, truth } from './support/truth.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()

afterEach(() => inboxes.remove())

describe('a pipeline that is paused under load', () => {
  it('leaves no cursor open, and goes on with exactly the next change, three times in a row', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('pause')
      const inbox = await inboxes.open(url, queue)
      const { pipeline } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        checkpointStore: memoryCheckpointStore(),
      })
      const from = await now(client)
      const load = new Load([db.collection('a'), db.collection('b')], { everyMs: 1 })
      for (const arrived of [50, 150, 250]) {
        await inbox.take(arrived)
        await pipeline.pause()
        expect(pipeline.stats()).toMatchObject({ state: 'paused', inFlight: 0, unsavedEvents: 0 })
        await until(
          async () => (await cursorsOf(client, db.databaseName)) === 0,
          () => 'no cursor',
        )
        const { written } = load
        await until(
          () => load.written > written + 20,
          () => 'writes during the pause',
        )
        await pipeline.resume()
      }
      await load.stop()
      const expected = await truth(client, { database: db.databaseName }, from)
      await inbox.until(
        () => complete(expected, inbox.received),
        () => 'everything',
      )
      expect((await pipeline.stop()).drained).toBe(true)
      expect(check(expected, inbox.received)).toEqual({ ...flawless, duplicates: 0 })
    }))

  it('does not hold up another one that shares its client', () =>
    inDatabase(uri, async (db, client) => {
      const [paused, other] = [unique('paused'), unique('other')]
      const inbox = await inboxes.open(url, other)
      await inboxes.open(url, paused)
      const wanted = { client, database: db.databaseName, url }
      const first = await started({ ...wanted, queue: paused })
      const second = await started({ ...wanted, queue: other })
      await first.pipeline.pause()
      await db.collection('c').insertMany([{ n: 1 }, { n: 2 }])
      await inbox.take(2)
      expect(first.pipeline.stats().read).toBe(0)
      await first.pipeline.resume()
      for (const { pipeline } of [first, second]) {
        await until(
          () => pipeline.stats().published === 2,
          () => `2 events, got ${pipeline.stats().published}`,
        )
      }
    }))
})
