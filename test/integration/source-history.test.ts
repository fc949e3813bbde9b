import { once } from 'node:events'
import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import { compareTimes } from '../../src/source/position.js'
import type { ClusterTime } from '../../src/types.js'
import { connect, reading } from './support/mongo.js'

/** An oplog so small that it rolls over in seconds. */
let mongo: MongoService
let client: MongoClient
beforeAll(async () => {
  mongo = await startMongo({ oplogSizeMb: 1, args: ['--syncdelay', '1'] })
  client = await connect(mongo.uri)
})
afterAll(async () => {
  await client?.close()
  await mongo?.stop()
})

/** Writes until the oplog begins behind this time. */
async function rollOver(time: ClusterTime): Promise<void> {
  const oplog = client.db('local').collection('oplog.rs')
  const noise = client.db('noise').collection<{ _id: number; p?: string }>('noise')
  for (let n = 0; ; n++) {
    await noise.replaceOne({ _id: n % 3 }, { p: 'x'.repeat(1_000_000) + n }, { upsert: true })
    const first = await oplog.findOne({}, { sort: { $natural: 1 }, projection: { ts: 1 } })
    if (compareTimes(first?.ts as ClusterTime, time) > 0) return
    if (n > 500) throw new Error('The oplog does not roll over')
  }
}

const optionsOf = (reader: 'command' | 'driver') => ({
  client,
  database: 'shop',
  collections: ['c'],
  maxAwaitTimeMS: 100,
  reader,
})

describe.each(['command', 'driver'] as const)('when the oplog no longer holds the position, the %s reader', reader => {
  it('stops with a typed error, or goes on at now and tells both times', async () => {
    const shop = client.db('shop').collection('c')
    const [saved] = await reading(new ChangeStreamSource(optionsOf(reader)), async stream => {
      await shop.insertOne({ n: 1 })
      return await stream.events(1)
    })
    const position = saved!.position
    await shop.insertOne({ n: 'lost' })
    await rollOver(position.clusterTime)

    const strict = new ChangeStreamSource(optionsOf(reader))
    const told = once(strict as never, 'historyLost')
    const refused = reading(strict, async () => expect.unreachable('it went on'), position)
    await expect(refused).rejects.toMatchObject({
      code: 'CDC_HISTORY_LOST',
      hint: expect.stringContaining('onHistoryLost'),
    })
    const [announced] = (await told) as { from: ClusterTime; to: ClusterTime; error: unknown }[]
    expect(announced).toMatchObject({ from: position.clusterTime, error: { code: 'CDC_HISTORY_LOST' } })
    expect(announced?.to.t).toBeGreaterThanOrEqual(position.clusterTime.t)

    const early = new Date(position.clusterTime.t * 1000)
    const fromTime = new ChangeStreamSource({ ...optionsOf(reader), startAtOperationTime: early })
    await expect(reading(fromTime, async () => expect.unreachable())).rejects.toMatchObject({
      code: 'CDC_HISTORY_LOST',
    })

    const lenient = new ChangeStreamSource({ ...optionsOf(reader), onHistoryLost: 'now' })
    const lost: { from: ClusterTime; to?: ClusterTime }[] = []
    lenient.on('historyLost', event => lost.push(event))
    await reading(
      lenient,
      async stream => {
        await shop.insertOne({ n: 3 })
        const [next] = await stream.events(1)
        expect(next?.event?.fullDocument).toMatchObject({ n: 3 })
        expect(lost).toHaveLength(1)
        expect(lost[0]?.from).toEqual(position.clusterTime)
        expect(compareTimes(lost[0]?.to as ClusterTime, position.clusterTime)).toBe(1)
        expect(compareTimes(next?.position.clusterTime as ClusterTime, lost[0]?.to as ClusterTime)).not.toBe(-1)
      },
      position,
    )
  })
})

it('a position of another replica set with the same name is refused', async () => {
  const other = await connect(inject('mongoUri'))
  try {
    const elsewhere = new ChangeStreamSource({ ...optionsOf('command'), client: other })
    const { position } = await reading(elsewhere, async stream => {
      await stream.until(() => stream.records.length > 0, 'a mark')
      return stream.records[0]!
    })
    const here = new ChangeStreamSource(optionsOf('command'))
    const refused = reading(here, async () => expect.unreachable('it was taken'), position)
    await expect(refused).rejects.toMatchObject({ code: 'CDC_POSITION_FOREIGN' })
  } finally {
    await other.close()
  }
})

describe.each(['command', 'driver'] as const)('overtaken while it is connected, the %s reader', reader => {
  it.each(['fail', 'now'] as const)('tells of it and does what `onHistoryLost` says: %s', async onHistoryLost => {
    const shop = client.db('shop').collection('c')
    const source = new ChangeStreamSource({ ...optionsOf(reader), batchSize: 1, onHistoryLost })
    const lost: { from: ClusterTime; to?: ClusterTime }[] = []
    source.on('historyLost', event => {
      lost.push(event)
      if (onHistoryLost === 'now') void shop.insertOne({ n: `after, ${reader}` }) // which no other test waits for
    })
    let last: ClusterTime | undefined
    const overtaken = reading(source, async stream => {
      await shop.insertMany(Array.from({ length: 20 }, (_, n) => ({ n })))
      const [first] = await stream.events(1)
      last = first!.position.clusterTime
      await rollOver({ t: last.t + 1, i: 0 })
      await stream.until(
        () => stream.records.some(({ event }) => (event?.fullDocument as { n?: unknown })?.n === `after, ${reader}`),
        'the insert after the loss',
      )
    })
    if (onHistoryLost === 'fail') await expect(overtaken).rejects.toMatchObject({ code: 'CDC_HISTORY_LOST' })
    else await overtaken
    expect(lost).toHaveLength(1)
    expect(compareTimes(lost[0]?.from as ClusterTime, last as ClusterTime)).not.toBe(-1)
    expect(compareTimes(lost[0]?.to as ClusterTime, lost[0]?.from as ClusterTime)).toBe(1)
  })
})
