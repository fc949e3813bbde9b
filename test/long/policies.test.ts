import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type RabbitService, startRabbit, type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'
import { mongoCheckpointStore } from '../../src/index.js'
import { Inboxes } from '../integration/support/inbox.js'
import { Load } from '../integration/support/load.js'
import { inDatabase, unique } from '../integration/support/pipelines.js'
import { outlivesStore, outlivesTarget } from '../integration/support/policies.js'
import { PipelineProcess } from '../integration/support/process.js'
import { flawless, now, verdict } from '../integration/support/truth.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')

describe('a target of dead letters', () => {
  let letters: RabbitService
  let proxy: TcpProxy

  beforeAll(async () => {
    letters = await startRabbit()
    proxy = await tcpProxy(letters.port)
  })

  afterAll(async () => {
    await proxy?.close()
    await letters?.stop()
  })

  const control = (...args: string[]): Promise<string> => letters.rabbitmqctl(...args)

  it.each([
    {
      kind: 'that refuses connections',
      reason: 'dead-letter reconnecting',
      away: async () => {
        await control('suspend_listeners')
        proxy.reset()
      },
      back: () => control('resume_listeners'),
    },
    {
      kind: 'that is killed and started again',
      reason: 'dead-letter reconnecting',
      away: () => letters.kill(),
      back: () => letters.restart(),
    },
    {
      kind: 'without memory',
      reason: 'dead-letter blocked',
      away: () => control('set_vm_memory_high_watermark', 'absolute', '1000000'),
      back: () => control('set_vm_memory_high_watermark', '0.4'),
    },
  ])('$kind holds back the document and the position, and nothing else, until it is back', async outage => {
    // RabbitMQ 3 forgets a durable queue if it's killed in the second of its declaration; the publisher declares it again.
    await outlivesTarget({ uri, url, lettersUrl: letters.url, lettersPort: proxy.port }, outage)
  })
})

describe('a store of checkpoints', () => {
  it('that keeps silent stops the reading when too much is unsaved, and nothing else', async () => {
    const { port } = new URL(uri.replace('mongodb:', 'http:'))
    const proxy = await tcpProxy(Number(port))
    const store = mongoCheckpointStore({
      uri: `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`,
      database: unique('silent'),
    })
    await outlivesStore({ uri, url }, store, {
      away: async () => {
        proxy.mode = 'hole'
      },
      back: async () => {
        proxy.mode = 'pass'
      },
    })
    await proxy.close()
  })
})

describe('a process', () => {
  // Thirty seconds: RabbitMQ has missed three heartbeats, and has closed the connection.
  it.each([3, 30])('that is suspended for %i seconds goes on where it was', seconds =>
    inDatabase(uri, async (db, client) => {
      const inboxes = new Inboxes()
      const queue = unique('frozen')
      const inbox = await inboxes.open(url, queue)
      const process = await PipelineProcess.started({
        mongoUri: uri,
        amqpUrl: url,
        database: db.databaseName,
        queue,
        store: { database: `${db.databaseName}_store` },
        pipeline: { maxInFlight: 100 },
      })
      const from = await now(client)
      const load = new Load([db.collection('a')], { everyMs: 2 })
      await inbox.take(100)
      process.freeze()
      await pause(seconds * 1_000) // what is tested is the time itself
      const { length } = inbox.received
      process.thaw()
      await inbox.take(length + 200)
      await load.stop()
      const { duplicates, ...rest } = await verdict(client, db.databaseName, from, inbox, 200)
      expect(rest).toEqual(flawless)
      expect(duplicates).toBeLessThanOrEqual(seconds < 20 ? 0 : 100)
      expect(await process.stop()).toEqual({ drained: true, unconfirmed: 0 })
      await client.db(`${db.databaseName}_store`).dropDatabase()
      await inboxes.remove()
    }),
  )
})
