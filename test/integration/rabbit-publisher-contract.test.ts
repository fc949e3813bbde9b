import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, inject, it } from 'vitest'
import { RabbitPublisher } from '../../src/rabbit/rabbit-publisher.js'
import { type SinkUnderTest, sinkContract } from '../../src/testing/index.js'
import type { RabbitMessage } from '../../src/types.js'
import { type Observer, observe } from './rabbit-publisher-tools.js'

let observer: Observer
beforeAll(async () => {
  observer = await observe(inject('amqpUrl'))
})
afterAll(() => observer.close())

/** A publisher into a queue of its own. */
function make(): SinkUnderTest<RabbitMessage> {
  const queue = `contract-${randomUUID()}`
  const arrived: number[] = []
  return {
    sink: new RabbitPublisher({ url: inject('amqpUrl'), queue: { name: queue }, maxMessageBytes: 1_000 }),
    message: n => ({ body: Buffer.from(String(n)), messageId: String(n) }),
    async received() {
      arrived.push(...(await observer.take(queue)).map(Number))
      return arrived
    },
    impossible: () => ({ body: Buffer.alloc(1_001) }),
    remove: async () => void (await observer.channel.deleteQueue(queue)),
  }
}

describe('the publisher, as every sink,', () => {
  for (const { name, run } of sinkContract(make)) it(name, run)
})
