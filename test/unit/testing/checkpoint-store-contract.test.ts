import { describe, expect, it } from 'vitest'
import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { checkpointStoreContract } from '../../../src/testing/index.js'
import type { CheckpointStore } from '../../../src/types.js'
import { LeasingStore } from '../pipeline/support/leasing-store.js'

describe('the contract of checkpoint stores', () => {
  it.each<[string, (store: CheckpointStore) => CheckpointStore]>([
    ['loads undefined', store => ({ ...store, load: async () => ({}) as never })],
    ['loads what was saved', store => ({ ...store, load: async () => undefined })],
    ['keeps the last of several saves', store => ({ ...store, save: onlyFirst(store) })],
    ['keeps the checkpoints of two', store => oneForAll(store)],
  ])('finds a store that breaks "%s"', async (name, broken) => {
    const cases = checkpointStoreContract(() => ({ store: broken(memoryCheckpointStore()) }))
    await expect(cases.find(each => each.name.startsWith(name))?.run()).rejects.toThrow()
  })

  for (const { name, run } of checkpointStoreContract(() => ({ store: new LeasingStore() }))) {
    it(`is fulfilled by a store that gives leases: ${name}`, run)
  }

  it.each<[string, (store: LeasingStore) => void]>([
    [
      'gives the lease to one holder',
      store => overwrite(store, 'acquire', ask => grant => ask({ ...grant, holder: 'x' })),
    ],
    ['gives it to another one when it has run out', store => overwrite(store, 'acquire', renewedForEver)],
    ['gives it to its own holder again', store => overwrite(store, 'acquire', oneEpoch)],
    ['refuses to save under the epoch', store => overwrite(store, 'save', unfenced)],
    ['refuses to save without an epoch', store => overwrite(store, 'save', unfenced)],
  ])('finds a store that breaks "%s"', async (name, breakIt) => {
    const make = (): { store: CheckpointStore } => {
      const store = new LeasingStore()
      breakIt(store)
      return { store }
    }
    await expect(
      checkpointStoreContract(make)
        .find(each => each.name.includes(name))
        ?.run(),
    ).rejects.toThrow()
  })

  it('finds a store that takes a damaged record for none', async () => {
    const store = memoryCheckpointStore()
    const corrupt = async (): Promise<void> => undefined
    const cases = checkpointStoreContract(() => ({ store, corrupt }))
    await expect(cases.find(({ name }) => name.startsWith('refuses'))?.run()).rejects.toThrow(/rejection/)
  })
})

function overwrite<Name extends 'acquire' | 'save'>(
  store: LeasingStore,
  name: Name,
  change: (call: LeasingStore[Name], store: LeasingStore) => LeasingStore[Name],
): void {
  const call = store[name].bind(store) as LeasingStore[Name]
  Object.assign(store, { [name]: change(call, store) })
}

function renewedForEver(acquire: LeasingStore['acquire']): LeasingStore['acquire'] {
  return async request => {
    const lease = await acquire(request)
    return lease && { ...lease, release: () => lease.release(), renew: async () => true }
  }
}

function oneEpoch(acquire: LeasingStore['acquire']): LeasingStore['acquire'] {
  return async request => {
    const lease = await acquire(request)
    return lease && { epoch: 1, release: () => lease.release(), renew: () => lease.renew() }
  }
}

function unfenced(_: LeasingStore['save'], store: LeasingStore): LeasingStore['save'] {
  return async checkpoint => {
    store.stored.set(checkpoint.name, checkpoint)
  }
}

function onlyFirst(store: CheckpointStore): CheckpointStore['save'] {
  let saved = false
  return async checkpoint => {
    if (!saved) await store.save(checkpoint)
    saved = true
  }
}

function oneForAll(store: CheckpointStore): CheckpointStore {
  return { load: () => store.load('x'), save: checkpoint => store.save({ ...checkpoint, name: 'x' }) }
}
