import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { checkpointStoreContract } from './contract.js'

checkpointStoreContract('the memory store', async () => ({ store: memoryCheckpointStore() }))
