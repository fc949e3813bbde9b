// biome-ignore-all assist/source/organizeImports: a table of contents, in the order in which a change travels
// The public surface: what isn't named here isn't part of it.

// Source
export { ChangeStreamSource } from './source/change-stream-source.js'
export type { ChangeStreamSourceOptions, NamePattern } from './source/source-options.js'

export { type DocumentImage, documentImageOf } from './document-image.js'

// Transforms
export { addMetadata, type WithMetadata } from './transform/add-metadata.js'
export { type EnrichOptions, enrich, type LoadContext } from './transform/enrich.js'
export { filter } from './transform/filter.js'
export { map } from './transform/map.js'
export { omit } from './transform/omit.js'
export { onlyNamespaces } from './transform/only-namespaces.js'
export { type OperationType, onlyOperations } from './transform/only-operations.js'
export type { FieldPath } from './transform/paths.js'
export { pick } from './transform/pick.js'
export { pipe } from './transform/pipe.js'
export { redact } from './transform/redact.js'
export type { HashRedaction, MaskRedaction, Redaction } from './transform/redaction.js'
export { rename } from './transform/rename.js'
export type { RulesByPath } from './transform/rule-tree.js'
export { splitArray } from './transform/split-array.js'
export type {
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaProps,
  StandardSchemaResult,
} from './transform/standard-schema.js'
export { type ValidateOptions, validate } from './transform/validate.js'
export { when } from './transform/when.js'
export { whenChanged } from './transform/when-changed.js'

// Messages
export { type ChangeEventMessageOptions, changeEventMessage } from './message/change-event-message.js'
export { type DocumentMessageOptions, documentMessage } from './message/document-message.js'
export { type DebeziumMessageOptions, debeziumMessage } from './message/debezium-message.js'
export { type CloudEventMessageOptions, cloudEventMessage } from './message/cloud-event-message.js'
export type { MessageOptions } from './message/message-options.js'
export { type EjsonEncoderOptions, ejsonEncoder } from './message/encoding.js'
export { type BsonEncoderOptions, type BsonLibrary, bsonEncoder } from './message/bson-encoder.js'
export { type CompressOptions, compress } from './message/compress.js'
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

// Outbox
export { byAggregate } from './outbox/by-aggregate.js'
export {
  type DeletableCollection,
  type DeleteAfterConfirmOptions,
  deleteAfterConfirm,
  type OutboxCleaner,
  type PublishingPipeline,
} from './outbox/delete-after-confirm.js'
export type { DeleteFailure } from './outbox/delete-in-batches.js'
export { enqueue, type OutboxCollection } from './outbox/enqueue.js'
export type { NewOutboxEntry, OutboxEntry } from './outbox/entry.js'
export { type OutboxRouterOptions, outboxRouter } from './outbox/outbox-router.js'

// Sink
export { RabbitPublisher } from './rabbit/rabbit-publisher.js'
export type { RabbitPublisherOptions } from './rabbit/publisher-options.js'
export type { BrokerCredentials, BrokerLogin, BrokerTlsOptions } from './rabbit/login.js'
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
export type { LeaseOptions } from './pipeline/lease-options.js'
export type { CircuitBreakerOptions } from './pipeline/circuit.js'
export type { DeadLetterFailure, DeadLetterOptions } from './pipeline/dead-letters.js'
export type { EventFailure, FailedEventDecision, FailedEventPolicy } from './pipeline/failure-policy.js'
export { type StopOnSignalsOptions, stopOnSignals } from './pipeline/stop-on-signals.js'
export type { CheckpointSummary, PipelineCounters, PipelineHealth, PipelineStats } from './pipeline/health.js'
export type { LeaseSummary } from './pipeline/terms.js'

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
  OversizedOutcome,
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
  Encoder,
  HeaderValue,
  HealthListener,
  Lease,
  LeaseRequest,
  Namespace,
  PartHealth,
  Position,
  PositionOrigin,
  RabbitMessage,
  Sink,
  SinkOpenOptions,
  Source,
  SourceOpenOptions,
  SourceRecord,
  Transform,
  TransformContext,
  TransformOutput,
} from './types.js'
