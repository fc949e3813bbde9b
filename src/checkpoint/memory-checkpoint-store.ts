import type { Checkpoint, CheckpointStore } from '../types.js'

/**
 * Keeps checkpoints in memory, for tests and for pipelines that may start at now each time: they don't survive the
 * process. It shows all that a store has to do.
 *
 * @example
 * import { memoryCheckpointStore } from 'mongo-rabbit-cdc'
 *
 * const checkpointStore = memoryCheckpointStore()
 */
export function memoryCheckpointStore(): CheckpointStore {
  const checkpoints = new Map<string, Checkpoint>()
  return {
    async load(name) {
      return checkpoints.get(name)
    },
    async save(checkpoint) {
      checkpoints.set(checkpoint.name, checkpoint)
    },
  }
}
