import { inspect } from 'node:util'
import { MongoClient } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { mongoCheckpointStore } from '../../../src/checkpoint/mongo-checkpoint-store.js'
import { checkpoint } from './contract.js'

const secret = 's3cret'
const unreachable = `mongodb://user:${secret}@127.0.0.1:1/?replicaSet=rs0`
const seen = (value: unknown): string => inspect(value, { depth: 20, showHidden: true, getters: true })

describe('the mongo store', () => {
  it('tells where it writes, so that the source leaves it out', () => {
    expect(mongoCheckpointStore({ uri: unreachable }).namespace).toEqual({ database: 'cdc', collection: 'checkpoints' })
    expect(mongoCheckpointStore({ uri: unreachable, database: 'a', collection: 'b' }).namespace).toEqual({
      database: 'a',
      collection: 'b',
    })
  })

  it('shows no password, itself or in its errors', async () => {
    const client = new MongoClient(unreachable, { serverSelectionTimeoutMS: 100 })
    const store = mongoCheckpointStore({ client })
    expect(seen(store)).not.toContain(secret)
    expect(seen(mongoCheckpointStore({ uri: unreachable }))).not.toContain(secret)
    for (const call of [store.load('orders'), store.save(checkpoint())]) {
      const error: unknown = await call.catch(error => error)
      expect(error).toMatchObject({ name: 'CheckpointError', code: 'CDC_CHECKPOINT_FAILED', retryable: true })
      expect((error as Error).cause).toBeInstanceOf(Error)
      expect(seen(error)).not.toContain(secret)
    }
    await client.close()
  })

  it.each([
    `mongodb://user:${secret}@`,
    `mongodb://user:${secret}@host:99999/`,
    `mongodb://user:${secret}@@host/`,
    `mongodb://user:%${secret}@host/`,
    `mongodb://user:x@host/?authMechanism=${secret}`,
    `mongodb+srv://user:${secret}@host:1/`,
    `mongodb://user:${secret}@host/?nonsense=1`,
    `redis://user:${secret}@host/`,
  ])('refuses a URI that is none without quoting it (%#)', async uri => {
    const error: unknown = await (async () => mongoCheckpointStore({ uri }).load('orders'))().catch(error => error)
    expect(error).toMatchObject({ name: 'OptionsError', message: expect.stringContaining('Expected `uri` to be a') })
    expect(seen(error)).not.toContain(secret)
  })

  it('refuses options that contradict each other, are missing, unknown or out of range', () => {
    const make = (options: object) => () => mongoCheckpointStore(options as never)
    expect(make({})).toThrow('Expected exactly one of `client` and `uri` for mongoCheckpointStore, got none')
    expect(make({ client: new MongoClient(unreachable), uri: unreachable })).toThrow('got both')
    expect(make({ client: {} })).toThrow('Expected `client` to be an object with a method `db`')
    expect(make({ uri: '' })).toThrow('Expected `uri` to be a string that is not empty')
    expect(make({ uri: unreachable, db: 'x' })).toThrow('Unknown option `db` of mongoCheckpointStore')
    expect(make({ uri: unreachable, database: '' })).toThrow('Expected `database`')
    expect(make({ uri: unreachable, database: 'local' })).toThrow('Expected `database` to be none of admin, local')
    expect(make({ uri: unreachable, collection: 5 })).toThrow('Expected `collection`')
  })

  it('closes before it was used, and refuses to be used afterwards', async () => {
    const store = mongoCheckpointStore({ uri: unreachable })
    await store.close?.()
    await store.close?.()
    await expect(store.load('orders')).rejects.toMatchObject({ code: 'CDC_CHECKPOINT_FAILED', retryable: false })
  })
})
