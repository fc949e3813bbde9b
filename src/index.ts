// biome-ignore-all assist/source/organizeImports: a table of contents, in the order in which a change travels
// The public surface: what isn't named here isn't part of it.

// Source
export { ChangeStreamSource } from './source/change-stream-source.js'
export type { ChangeStreamSourceOptions, NamePattern } from './source/source-options.js'

// Transforms
export { filter } from './transform/filter.js'
export { map } from './transform/map.js'
export { onlyNamespaces } from './transform/only-namespaces.js'
export { type OperationType, onlyOperations } from './transform/only-operations.js'
export { pipe } from './transform/pipe.js'
export { whenChanged } from './transform/when-changed.js'

// Messages
export { type ChangeEventMessageOptions, changeEventMessage } from './message/change-event-message.js'
export { type DocumentMessageOptions, documentMessage } from './message/document-message.js'
export type { MessageOptions } from './message/message-options.js'
export { type EjsonMode, ejsonBytes, ejsonText } from './message/ejson-encoder.js'
export { messageId } from './message-id.js'
export {
  type DeadLetterBody,
  type DeadLetterError,
  type DeadLetterFacts,
  type DeadLetterMessageOptions,
  deadLetterMessage,
} from './message/dead-letter-message.js'
export { type DeadLetter, type ParseDeadLetterOptions, parseDeadLetter } from './message/parse-dead-letter.js'
export type { ReplacedPart } from './message/total-ejson.js'

// Sink
export { RabbitPublisher } from './rabbit/rabbit-publisher.js'
export type { RabbitPublisherOptions } from './rabbit/publisher-options.js'
export type { BindingOptions, ExchangeOptions, QueueOptions, TopologyMode } from './rabbit/topology.js'
export type { AmqpConnection } from './rabbit/amqp-types.js'
export { type RedriveFailure, type RedriveOptions, type RedriveResult, redrive } from './rabbit/redrive.js'

// Checkpoint stores
export { type FileCheckpointStoreOptions, fileCheckpointStore } from './checkpoint/file-checkpoint-store.js'
export { memoryCheckpointStore } from './checkpoint/memory-checkpoint-store.js'
export {
  type MongoCheckpointStoreOptions,
  type MongoCheckpointStorePlace,
  mongoCheckpointStore,
} from './checkpoint/mongo-checkpoint-store.js'

// Pipeline
export { createCdcPipeline } from './pipeline/create-cdc-pipeline.js'
export type { CdcPipeline, StopOptions, StopResult } from './pipeline/cdc-pipeline.js'
export type { CdcPipelineOptions, Ordering } from './pipeline/pipeline-options.js'
export type { CircuitBreakerOptions } from './pipeline/circuit.js'
export type { DeadLetterFailure, DeadLetterOptions } from './pipeline/dead-letters.js'
export type { EventFailure, FailedEventDecision, FailedEventPolicy } from './pipeline/failure-policy.js'
export { type StopOnSignalsOptions, stopOnSignals } from './pipeline/stop-on-signals.js'
export type { CheckpointSummary, PipelineCounters, PipelineHealth, PipelineStats } from './pipeline/health.js'

// Errors
export {
  BrokerError,
  CdcError,
  type CdcErrorCode,
  type CdcErrorDetails,
  CheckpointError,
  errorCodes,
  isCdcError,
  OptionsError,
  PublishError,
  type RejectReason,
  SourceError,
  TransformError,
} from './errors.js'

// Events
export type {
  FailedEventAction,
  FailureStage,
  PipelineEvents,
  PipelineState,
  PublisherEvents,
  RetryStage,
  SourceEvents,
  StopReason,
} from './events.js'
export type { BackOffOptions } from './retry.js'

// Seams: what own sources, transforms, sinks and stores implement
export type {
  Checkpoint,
  CheckpointStore,
  ClusterTime,
  Delivery,
  HeaderValue,
  HealthListener,
  Namespace,
  PartHealth,
  Position,
  PositionOrigin,
  RabbitMessage,
  Sink,
  Source,
  SourceOpenOptions,
  SourceRecord,
  Transform,
  TransformContext,
  TransformOutput,
} from './types.js'
