import { describe, expect, it } from 'vitest'
import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { checkpointStoreContract } from '../../../src/testing/index.js'
import type { CheckpointStore } from '../../../src/types.js'

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

  it('finds a store that takes a damaged record for none', async () => {
    const store = memoryCheckpointStore()
    const corrupt = async (): Promise<void> => undefined
    const cases = checkpointStoreContract(() => ({ store, corrupt }))
    await expect(cases.find(({ name }) => name.startsWith('refuses'))?.run()).rejects.toThrow(/rejection/)
  })
})

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
