// biome-ignore-all assist/source/organizeImports: a table of contents
// `mongo-rabbit-cdc/testing`: what unit tests need; no server, and neither `mongodb` nor `amqplib` at run time.

// Events
export {
  type ChangeEvents,
  type ChangeEventsOptions,
  changeEvents,
  type ExpandedOperation,
  type UpdateOptions,
} from './change-events.js'
export { resumeToken, type TokenParts } from './resume-token.js'

// Transforms
export { bodyOf, runTransform, type RunTransformOptions } from './run-transform.js'

// Whole pipelines
export { arraySource, type ArraySource, type ArraySourceOptions } from './array-source.js'
export {
  type Answer,
  type Collected,
  type CollectingSink,
  type CollectingSinkOptions,
  collectingSink,
} from './collecting-sink.js'
export { type FakeClock, fakeClock } from './fake-clock.js'

// Contract suites for own sinks and stores
export type { ContractCase } from './contract.js'
export { checkpointStoreContract, type StoreUnderTest } from './checkpoint-store-contract.js'
export { sinkContract, type SinkUnderTest } from './sink-contract.js'
