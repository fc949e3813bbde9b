import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'
import type { PipelineStats } from '../../src/index.js'
import { Inbox } from './support/inbox.js'
import { inDatabase, unique } from './support/pipelines.js'
import { PipelineProcess, type ProcessStats } from './support/process.js'
import { check, complete, flawless, now, truth } from './support/truth.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const MIB = 2 ** 20
const text = 'x'.repeat(1_000)

interface Limits {
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
}

/** Whether there is no room for one more event. Two looks between which nothing is read may be a slow server alone. */
function isFull({ inFlight, inFlightBytes }: PipelineStats, { maxInFlight, maxInFlightBytes }: Limits): boolean {
  return inFlight === maxInFlight || inFlightBytes > maxInFlightBytes - 2_048
}

describe('a backlog of thousands of events of 1 KB', () => {
  let proxy: TcpProxy
  let inbox: Inbox

  beforeEach(async () => {
    // A broker that doesn't answer, for the pipeline alone.
    proxy = await tcpProxy(Number(new URL(url).port))
    inbox = await Inbox.open(url, unique('memory'))
  })

  afterEach(async () => {
    await inbox.channel.deleteQueue(inbox.queue)
    await inbox.close()
    await proxy.close()
  })

  it.each([
    ['events', 20_000, { maxInFlight: 500, maxInFlightBytes: 16 * MIB }],
    ['bytes', 10_000, { maxInFlight: 10_000, maxInFlightBytes: MIB / 2 }],
  ])(
    'waits in MongoDB while the broker is silent: the limit of %s holds, and all arrive in the end',
    (_, events, limits) =>
      inDatabase(uri, async (db, client) => {
        const from = await now(client)
        const process = await PipelineProcess.started({
          mongoUri: uri,
          amqpUrl: url.replace(/:\d+$/, `:${proxy.port}`),
          database: db.databaseName,
          queue: inbox.queue,
          store: { database: `${db.databaseName}_store` },
          pipeline: limits,
        })
        async function insert(count: number): Promise<void> {
          for (let n = 0; n < count; n += 5_000) {
            await db.collection('c').insertMany(Array.from({ length: 5_000 }, (_, i) => ({ n: n + i, text })))
          }
        }
        // Warm, by as many events as will follow: V8 gives a busy program up to 48 MiB for young objects, whatever it does
        // (three spaces of 16 MiB). What grows after that is ours.
        await insert(events)
        await inbox.take(events)
        const before = await process.stats()

        proxy.mode = 'hole'
        await insert(events)
        let full: ProcessStats = before
        await until(
          async () => {
            full = await process.stats()
            return isFull(full.stats, limits)
          },
          () => `a full span, got ${JSON.stringify(full.stats)}`,
        )
        expect(full.stats.read - before.stats.published).toBeLessThan(events / 4)
        expect(full.stats.inFlight).toBeGreaterThan(100)
        expect(full.stats.lagMs).toBeGreaterThan(0)

        proxy.mode = 'pass'
        await inbox.take(2 * events)
        const after = await process.stats()
        for (const { stats } of [full, after]) {
          expect(stats.peakInFlight).toBeLessThanOrEqual(limits.maxInFlight)
          // The size of a message is known when it is encoded: the last one may reach beyond the limit.
          expect(stats.peakInFlightBytes).toBeLessThanOrEqual(limits.maxInFlightBytes + 2_048)
        }
        // The span, two batches of a thousand, and what the garbage collector leaves lying about.
        expect(full.rss - before.rss).toBeLessThan(32 * MIB)
        expect(after.rss - before.rss).toBeLessThan(48 * MIB)
        const expected = await truth(client, { database: db.databaseName }, from)
        expect(complete(expected, inbox.received)).toBe(true)
        expect(check(expected, inbox.received)).toEqual({ ...flawless, duplicates: 0 })
        expect(await process.stop()).toEqual({ drained: true, unconfirmed: 0 })
        await client.db(`${db.databaseName}_store`).dropDatabase()
      }),
  )
})
