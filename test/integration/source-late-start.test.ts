import { once } from 'node:events'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type MongoService, startMongo } from '../../scripts/services/index.mjs'
import { ChangeStreamSource, type CheckpointStore, mongoCheckpointStore } from '../../src/index.js'

let mongo: MongoService

beforeAll(async () => {
  mongo = await startMongo()
})
afterAll(() => mongo?.stop())

it('a start that comes before its MongoDB goes on once the server is there, whoever made the client', async () => {
  const [node] = mongo.nodes
  await node?.kill()
  const clients = [0, 1].map(() => new MongoClient(mongo.uri, { serverSelectionTimeoutMS: 500 }))
  const [forSource, forStore] = clients as [MongoClient, MongoClient]
  const retry = { minDelayMs: 10, maxDelayMs: 500 }
  const sources = [
    new ChangeStreamSource({ client: forSource, retry }),
    new ChangeStreamSource({ uri: mongo.uri, retry }),
  ]
  const stores = [mongoCheckpointStore({ client: forStore }), mongoCheckpointStore({ uri: mongo.uri })]
  const { signal } = new AbortController()
  const failed = Promise.all(sources.map(source => once(source, 'retry')))
  const positions = sources.map(source => source.startPosition({ signal }))
  await Promise.all(stores.map(store => expect(store.load('orders')).rejects.toThrow(/ECONNREFUSED|timed out/i)))
  await failed
  await node?.restart()
  for (const position of await Promise.all(positions)) expect(position.kind).toBe('time')
  expect(await Promise.all(stores.map(store => eventuallyLoad(store)))).toEqual([undefined, undefined])
  await Promise.all([...sources, ...stores].map(part => part.close?.()))
  await Promise.all(clients.map(client => client.close()))
})

/** As the pipeline does while it starts: once more after a failure that passes. */
async function eventuallyLoad(store: CheckpointStore): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.load('orders')
    } catch (error) {
      if (attempt === 10) throw error
    }
  }
}
