import { afterAll, beforeAll, describe, it } from 'vitest'
import { type MongoService, type RabbitService, startMongo, startRabbit } from '../../scripts/services/index.mjs'
import { expectGood, type Situation, stopIn } from '../integration/support/stops.js'

// What only servers of its own can be brought to; the other situations stand in test/integration/stop.test.ts.

let mongo: MongoService
let rabbit: RabbitService

beforeAll(async () => {
  ;[mongo, rabbit] = await Promise.all([startMongo(), startRabbit()])
})

afterAll(async () => {
  await Promise.all([mongo?.stop(), rabbit?.stop()])
})

const control = (...args: string[]): Promise<string> => rabbit.rabbitmqctl(...args)
const unconfirmed = { drained: false, unconfirmed: 30 }
const nothingLeft = { drained: true, unconfirmed: 0 }

const situations: readonly Situation[] = [
  {
    name: 'the broker has no memory',
    reach: async ({ insert, stats }) => {
      await control('set_vm_memory_high_watermark', 'absolute', '1000000')
      await insert(30)
      await stats(({ reasons, stats }) => reasons.includes('blocked') && stats.inFlight === 30, 'blocked')
    },
    after: () => control('set_vm_memory_high_watermark', '0.4'),
    expected: unconfirmed,
  },
  {
    name: 'the broker is frozen',
    reach: async ({ insert, stats }) => {
      rabbit.pause()
      await insert(30)
      await stats(({ stats }) => stats.inFlight === 30, '30 in flight')
    },
    after: async () => rabbit.resume(),
    expected: unconfirmed,
  },
  {
    name: 'the broker was killed',
    reach: async ({ stats }) => {
      await rabbit.kill()
      await stats(({ reasons }) => reasons.includes('reconnecting'), 'reconnecting')
    },
    after: () => rabbit.restart(),
    expected: nothingLeft,
  },
  {
    name: 'mongod is frozen',
    opening: true,
    reach: async () => mongo.nodes[0]?.pause(),
    after: async () => mongo.nodes[0]?.resume(),
    expected: nothingLeft,
  },
  {
    name: 'mongod was killed',
    reach: async ({ stats }) => {
      await mongo.nodes[0]?.kill()
      await stats(({ reasons }) => reasons.includes('reconnecting'), 'reconnecting')
    },
    after: async () => mongo.nodes[0]?.restart(),
    expected: nothingLeft,
  },
]

describe('a stop', () => {
  it.each(situations)('ends in time, and the process by itself, while $name', async situation => {
    expectGood(await stopIn({ mongoUri: mongo.uri, amqpUrl: rabbit.url }, situation), situation)
  })
})
