import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import type { Checkpoint, CheckpointStore, Position } from '../types.js'
import type { ContractCase } from './contract.js'
import { type LeasingStore, leaseCases } from './lease-contract.js'
import { resumeToken } from './resume-token.js'

/** A store to test, and what the tests do to it behind its back. */
export interface StoreUnderTest {
  /** Without any checkpoint. */
  readonly store: CheckpointStore
  /** Another instance over the same data, as after a restart; absent where nothing survives. */
  reopen?(): CheckpointStore
  /** Damages what is stored under this name; absent where nothing can be damaged. */
  corrupt?(name: string): Promise<void>
  /** Removes all that was made. */
  remove?(): Promise<void>
}

/**
 * What every checkpoint store has to do, as cases for any test framework. `make` is called once per case and gives an
 * empty store.
 *
 * @example
 * import { describe, it } from 'node:test'
 * import { memoryCheckpointStore } from 'mongo-rabbit-cdc'
 * import { checkpointStoreContract } from 'mongo-rabbit-cdc/testing'
 *
 * describe('my store', () => {
 *   for (const { name, run } of checkpointStoreContract(() => ({ store: memoryCheckpointStore() }))) it(name, run)
 * })
 */
export function checkpointStoreContract(make: () => StoreUnderTest | Promise<StoreUnderTest>): ContractCase[] {
  const cases: ContractCase[] = []
  function add(name: string, check: (store: CheckpointStore, under: StoreUnderTest) => Promise<void>): void {
    const run = async (): Promise<void> => {
      const under = await make()
      try {
        await check(under.store, under)
      } finally {
        await under.store.close?.()
        await under.remove?.()
      }
    }
    cases.push({ name, run })
  }

  add('loads undefined where nothing was saved', async store => {
    strictEqual(await store.load('orders'), undefined)
  })

  add('loads what was saved: name, position and time', async store => {
    await store.save(checkpoint())
    deepStrictEqual(plain(await store.load('orders')), plain(checkpoint()))
  })

  add('loads positions of each kind, with and without origin', async store => {
    const clusterTime = { t: 1_700_000_000, i: 1 }
    const origin = { deployment: 'rs0', watch: 'f00' }
    const positions: Position[] = [
      { kind: 'time', clusterTime },
      { kind: 'highWaterMark', clusterTime, token: resumeToken({ clusterTime }), origin },
      { ...checkpoint().position, origin: { ...origin, deploymentId: '65f000000000000000000001' } },
    ]
    for (const position of positions) {
      await store.save(checkpoint({ position }))
      deepStrictEqual(plain((await store.load('orders'))?.position), plain(position))
    }
  })

  add('gives back cluster times as plain numbers, up to the largest', async store => {
    for (const part of [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const clusterTime = { t: part, i: part }
      await store.save(checkpoint({ position: { kind: 'time', clusterTime } }))
      deepStrictEqual({ ...(await store.load('orders'))?.position.clusterTime }, clusterTime)
    }
  })

  add('keeps the last of several saves', async store => {
    for (const i of [1, 2, 3]) await store.save(checkpoint({ position: { kind: 'time', clusterTime: { t: 9, i } } }))
    strictEqual((await store.load('orders'))?.position.clusterTime.i, 3)
  })

  add('keeps the checkpoints of two pipelines apart', async store => {
    await store.save(checkpoint({ name: 'orders', position: { kind: 'time', clusterTime: { t: 9, i: 1 } } }))
    await store.save(checkpoint({ name: 'orders/../x', position: { kind: 'time', clusterTime: { t: 9, i: 2 } } }))
    strictEqual((await store.load('orders'))?.position.clusterTime.i, 1)
    strictEqual((await store.load('orders/../x'))?.position.clusterTime.i, 2)
    strictEqual(await store.load('other'), undefined)
  })

  add('finds after a restart what was saved before, if it keeps anything', async (store, { reopen }) => {
    if (!reopen) return
    await store.save(checkpoint())
    const again = reopen()
    deepStrictEqual(plain(await again.load('orders')), plain(checkpoint()))
    await again.close?.()
  })

  add('refuses a record that was damaged instead of starting at now, if that can happen', async (store, under) => {
    if (!under.corrupt) return
    await store.save(checkpoint())
    await under.corrupt('orders')
    await rejects(store.load('orders'))
  })

  for (const { name, check } of leaseCases) {
    add(`with leases: ${name}`, async (store, { reopen }) => {
      if (!store.acquire) return
      const other = reopen?.()
      await check(store as LeasingStore, (other ?? store) as LeasingStore).finally(() => other?.close?.())
    })
  }

  add('closes twice without an error', async store => {
    await store.close?.()
    await store.close?.()
  })
  return cases
}

function checkpoint(changes: Partial<Checkpoint> = {}): Checkpoint {
  const clusterTime = { t: 1_772_366_400, i: 7 }
  const token = resumeToken({ clusterTime, collectionUuid: '0123456789abcdef0123456789abcdef', id: 'order-7' })
  const position: Position = { kind: 'event', clusterTime, token }
  return { name: 'orders', position, savedAt: new Date('2026-03-01T12:00:00.123Z'), ...changes }
}

/** Without classes and prototypes, which a store may have made anew. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}
