// The public surface: what isn't named here isn't part of it.

export type { FileCheckpointStoreOptions } from './checkpoint/file-checkpoint-store.js'
// Checkpoint stores
export { fileCheckpointStore } from './checkpoint/file-checkpoint-store.js'
export { memoryCheckpointStore } from './checkpoint/memory-checkpoint-store.js'
export type { MongoCheckpointStoreOptions, MongoCheckpointStorePlace } from './checkpoint/mongo-checkpoint-store.js'
export { mongoCheckpointStore } from './checkpoint/mongo-checkpoint-store.js'
export type { CdcErrorCode, CdcErrorDetails, RejectReason } from './errors.js'
// Errors
export {
  BrokerError,
  CdcError,
  CheckpointError,
  errorCodes,
  isCdcError,
  OptionsError,
  PublishError,
  SourceError,
  TransformError,
} from './errors.js'
// Events
export type { FailureStage, PipelineEvents, PipelineState, PublisherEvents, SourceEvents } from './events.js'
export type { ChangeEventMessageOptions } from './message/change-event-message.js'
// Messages
export { changeEventMessage } from './message/change-event-message.js'
export type { DocumentMessageOptions } from './message/document-message.js'
export { documentMessage } from './message/document-message.js'
export type { EjsonMode } from './message/ejson-encoder.js'
export { ejsonBytes, ejsonText } from './message/ejson-encoder.js'
export type { MessageOptions } from './message/message-options.js'
export { messageId } from './message-id.js'
// Pipeline
export type { CdcPipeline, StopOptions, StopResult } from './pipeline/cdc-pipeline.js'
export { createCdcPipeline } from './pipeline/create-cdc-pipeline.js'
export type { FailedEventPolicy } from './pipeline/failure-policy.js'
export type { CheckpointSummary, PipelineCounters, PipelineHealth, PipelineStats } from './pipeline/health.js'
export type { CdcPipelineOptions, Ordering } from './pipeline/pipeline-options.js'
export type { RabbitPublisherOptions } from './rabbit/publisher-options.js'
// Sink
export { RabbitPublisher } from './rabbit/rabbit-publisher.js'
export type { BindingOptions, ExchangeOptions, QueueOptions, TopologyMode } from './rabbit/topology.js'
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
