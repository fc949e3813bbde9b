import type { MongoClient } from 'mongodb'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OPLOG_CHECK_MS, type OplogWindow, tellingWindow, windowOf } from '../../../src/source/oplog-window.js'
import type { ClusterTime, Position } from '../../../src/types.js'

const at = (t: number): { position: Position } => ({ position: { kind: 'time', clusterTime: { t, i: 1 } } })

/** A client whose oplog has these two ends, and which counts how often it is asked. */
function clientOf(ends: () => readonly [ClusterTime, ClusterTime]) {
  const asked = { times: 0 }
  const findOne = async (_: object, { sort }: { sort: { $natural: number } }) => {
    asked.times++
    const [oldest, newest] = ends()
    return { ts: sort.$natural === 1 ? oldest : newest }
  }
  const client = { db: () => ({ collection: () => ({ findOne }) }) } as unknown as MongoClient
  return { asked, client: async () => client }
}

it('counts from the oldest entry, and never below zero', () => {
  const ends = [
    { t: 100, i: 5 },
    { t: 400, i: 1 },
  ] as const
  expect(windowOf(ends, { t: 160, i: 1 })).toEqual({ secondsLeft: 60, seconds: 300 })
  expect(windowOf(ends, { t: 90, i: 1 })).toEqual({ secondsLeft: 0, seconds: 300 })
})

describe('while batches are read', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
  afterEach(() => void vi.useRealTimers())

  async function* batches(): AsyncGenerator<{ position: Position }[]> {
    yield [at(110), at(120)]
    yield []
    yield [at(150)]
  }

  it('tells every 30 s how much is left behind the last batch that was taken, also when no other is', async () => {
    let oldest = 100
    const { client } = clientOf(() => [
      { t: oldest, i: 1 },
      { t: 1_000, i: 1 },
    ])
    const told: OplogWindow[] = []
    const reading = tellingWindow(batches(), at(105).position, {
      client,
      wanted: () => true,
      tell: window => told.push(window),
    })
    await reading.next()
    await vi.advanceTimersByTimeAsync(OPLOG_CHECK_MS)
    await reading.next()
    oldest = 115
    await vi.advanceTimersByTimeAsync(OPLOG_CHECK_MS)
    await reading.next()
    await vi.advanceTimersByTimeAsync(OPLOG_CHECK_MS)
    expect(told.map(({ secondsLeft }) => secondsLeft)).toEqual([20, 5, 35])
    await reading.return()
    await vi.advanceTimersByTimeAsync(10 * OPLOG_CHECK_MS)
    expect(told).toHaveLength(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('asks nothing while nobody listens', async () => {
    const { client, asked } = clientOf(() => [
      { t: 1, i: 1 },
      { t: 2, i: 1 },
    ])
    let wanted = false
    const reading = tellingWindow(batches(), at(105).position, { client, wanted: () => wanted, tell: () => undefined })
    await reading.next()
    await vi.advanceTimersByTimeAsync(3 * OPLOG_CHECK_MS)
    expect(asked.times).toBe(0)
    wanted = true
    await vi.advanceTimersByTimeAsync(OPLOG_CHECK_MS)
    expect(asked.times).toBe(2)
    await reading.return()
  })

  it('tells nothing where the oplog can not be read, and does not disturb the reading', async () => {
    const client = () => Promise.reject(Object.assign(new Error('not authorized on local'), { code: 13 }))
    const tell = vi.fn()
    const reading = tellingWindow(batches(), at(105).position, { client, wanted: () => true, tell })
    await reading.next()
    await vi.advanceTimersByTimeAsync(OPLOG_CHECK_MS)
    expect((await reading.next()).done).toBe(false)
    expect(tell).not.toHaveBeenCalled()
    await reading.return()
  })
})
