import { beforeAll, describe, expect, inject, it } from 'vitest'
import { expectGood, type Situation, type Stopped, stopIn, unmount } from './support/stops.js'

const servers = { mongoUri: inject('mongoUri'), amqpUrl: inject('amqpUrl') }
const hole = (proxy: { mode: string }): void => {
  proxy.mode = 'hole'
}
/** Nothing is saved before the stop. */
const unsaved = { pipeline: { checkpointIntervalMs: 600_000 } }

const situations: readonly Situation[] = [
  { name: 'nothing is wrong', expected: { drained: true, unconfirmed: 0 } },
  {
    name: 'MongoDB keeps silent',
    opening: true,
    reach: async ({ mongo }) => hole(mongo),
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'MongoDB is away',
    reach: async ({ mongo, stats }) => {
      await mongo.close()
      await stats(({ reasons }) => reasons.includes('reconnecting'), 'reconnecting')
    },
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'MongoDB keeps silent, and the last position is to be saved there',
    opening: true,
    store: 'MongoDB',
    options: unsaved,
    reach: async ({ mongo, store, insert, stats }) => {
      await insert(30)
      await stats(({ stats }) => stats.published === 30, '30 published')
      for (const proxy of [mongo, store]) hole(proxy)
    },
    expected: { drained: false, unconfirmed: 0 },
  },
  {
    name: 'the store is away',
    store: 'MongoDB',
    options: unsaved,
    reach: async ({ store, insert, stats }) => {
      await insert(30)
      await stats(({ stats }) => stats.published === 30, '30 published')
      await store.close()
    },
    expected: { drained: false, unconfirmed: 0 },
  },
  {
    name: 'the store refuses',
    options: unsaved,
    reach: async stage => {
      await stage.insert(30)
      await stage.stats(({ stats }) => stats.published === 30, '30 published')
      await unmount(stage)
    },
    expected: { drained: false, unconfirmed: 0 },
  },
  {
    name: 'RabbitMQ keeps silent',
    reach: async ({ rabbit, insert, stats }) => {
      hole(rabbit)
      await insert(30)
      await stats(({ stats }) => stats.inFlight === 30, '30 in flight')
    },
    expected: { drained: false, unconfirmed: 30 },
  },
  {
    name: 'RabbitMQ is away',
    reach: async ({ rabbit, insert, stats }) => {
      hole(rabbit)
      await insert(30)
      await stats(({ stats }) => stats.inFlight === 30, '30 in flight')
      await rabbit.close()
      await stats(({ reasons }) => reasons.includes('reconnecting'), 'reconnecting')
    },
    expected: { drained: false, unconfirmed: 30 },
  },
  {
    name: 'the queue is full',
    options: { queueArguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } },
    reach: async ({ insert, stats }) => {
      await insert(1)
      await stats(({ stats }) => stats.published === 1, 'one published')
      await insert(30)
      await stats(({ reasons, stats }) => reasons.includes('nack') && stats.inFlight === 30, '30 refused')
    },
    expected: { drained: false, unconfirmed: 30 },
  },
  {
    name: 'no transform returns',
    options: { hangs: true },
    reach: async ({ insert, stats }) => {
      await insert(30)
      await stats(({ stats }) => stats.inFlight === 30, '30 in flight')
    },
    expected: { drained: false, unconfirmed: 30 },
  },
  {
    name: 'the target of dead letters keeps silent',
    options: { onFailedEvent: 'dead-letter', deadLetters: 'its own' },
    reach: async ({ letters, insert, stats }) => {
      hole(letters)
      await insert(3, { poison: 'throws' })
      await stats(({ stats }) => stats.failed === 3, '3 failed')
    },
    expected: { drained: false, unconfirmed: 3 },
  },
  {
    name: 'it is paused',
    reach: async ({ process, insert, stats }) => {
      await insert(30)
      await stats(({ stats }) => stats.published === 30, '30 published')
      await process.pause()
    },
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'it is starting, and MongoDB is away',
    before: ({ mongo }) => mongo.close(),
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'it is starting, and MongoDB does not answer the greeting',
    opening: true,
    before: ({ mongo }) => hole(mongo),
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'it is starting, and the store does not answer the greeting',
    opening: true,
    store: 'MongoDB',
    before: ({ store }) => hole(store),
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'it is starting, and RabbitMQ is away',
    before: ({ rabbit }) => rabbit.close(),
    expected: { drained: true, unconfirmed: 0 },
  },
  {
    name: 'it is starting, and RabbitMQ does not answer the greeting',
    before: ({ rabbit }) => hole(rabbit),
    expected: { drained: true, unconfirmed: 0 },
  },
]

describe('a stop', () => {
  // Side by side: most of it is waiting.
  const stops = new Map<Situation, Promise<Stopped>>()

  beforeAll(() => {
    for (const situation of situations) {
      const stopped = stopIn(servers, situation)
      stopped.catch(() => {})
      stops.set(situation, stopped)
    }
  })

  it.each(situations)('ends in time, and the process by itself, while $name', async situation => {
    const stopped = await stops.get(situation)
    if (!stopped) return expect.unreachable('it was not tried')
    expectGood(stopped, situation)
  })
})
