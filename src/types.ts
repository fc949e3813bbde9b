/** The seams, in the order in which a change meets them. Own implementations need this file alone. */

/** A time of the oplog: seconds since 1970 and a counter within the second, as in EJSON's `$timestamp`. */
export interface ClusterTime {
  readonly t: number
  readonly i: number
}

/**
 * A place in the stream from which reading can go on. Opaque to everybody but the source that made it; stored as BSON
 * or EJSON with a checksum, never as plain JSON.
 */
export interface Position {
  /**
   * `time`: everything of this cluster time and later. `event`: everything after this event. `highWaterMark`:
   * everything after a mark that the server gave without an event.
   */
  readonly kind: 'time' | 'event' | 'highWaterMark'
  readonly clusterTime: ClusterTime
  /** The resume token, for `event` and `highWaterMark`. */
  readonly token?: unknown
  /** Which deployment and which watch it was read from, so that a foreign position is refused. */
  readonly origin?: PositionOrigin
}

/** Where a {@link Position} comes from. */
export interface PositionOrigin {
  /** Name of the replica set, or `sharded`. */
  readonly deployment: string
  /** The id of the replica set, where the user may read it: tells two sets of one name apart. */
  readonly deploymentId?: string
  /** Digest of what was watched: scope, filters and pipeline. */
  readonly watch: string
}

/** One step of the source: an event with its position, or, without `event`, only "the position moved" (a heartbeat). */
export interface SourceRecord<E> {
  readonly position: Position
  /** Stable id of the event, the same each time it is read; seed of the message id. Required with `event`. */
  readonly id?: string
  readonly event?: E
  /**
   * Ordering key: events with the same key are published one after the other. Without key the event is a barrier: it
   * waits for everything before it, and everything after it waits for it.
   */
  readonly key?: string
  /** Size in bytes, counted against `maxInFlightBytes` until the message is encoded. @default 0 */
  readonly size?: number
  /** When the change was made, in milliseconds since 1970; for the lag. */
  readonly time?: number
}

/** A collection, or a whole database when `collection` is absent. */
export interface Namespace {
  readonly database: string
  readonly collection?: string
}

/** What a source is opened with. */
export interface SourceOpenOptions {
  /** Go on after this position; absent: start where the source is configured to start. */
  readonly after?: Position
  /** Abort ends the iteration without an error. */
  readonly signal: AbortSignal
  /** Namespaces that are never reported: the pipeline's own checkpoint collection, which would feed back. */
  readonly exclude?: readonly Namespace[]
}

/** How a source or a sink is doing. */
export interface PartHealth {
  /** Whether it can do its work right now. */
  readonly ok: boolean
  /** In a word why not: `connecting`, `reconnecting`, `slow`, `unauthorized`, `blocked` and others. */
  readonly reason?: string
  /** Since when, in milliseconds since 1970. */
  readonly since: number
  /** The message of the last error, without secrets. */
  readonly error?: string
}

/** Told each time when the health of a source or sink changes. */
export type HealthListener = (health: PartHealth) => void

/**
 * Where changes come from. Pulled, never pushes: nothing is read while nobody asks. Belongs to one pipeline.
 * It heals transient faults itself and throws only what it can't heal; then the pipeline fails.
 */
export interface Source<E> {
  /**
   * Batches of records in stream order, as the server sends them. The first batch, which may be empty, tells that the
   * stream stands. One batch is asked for at a time; the source may read at most one ahead.
   */
  open(options: SourceOpenOptions): AsyncIterable<readonly SourceRecord<E>[]>
  /**
   * The position where a first run starts. The pipeline saves it before it opens the source, so that a crash a moment
   * later loses nothing. Waits through outages; rejects with the signal's reason when aborted.
   */
  startPosition?(options: { readonly signal: AbortSignal }): Promise<Position>
  /**
   * Asks for events that keep every BSON type (a double stays told from an int), which canonical EJSON needs. Called
   * before `open`; throws an `OptionsError` when the source was told otherwise. Absent: the source can't.
   */
  useExactTypes?(): void
  /** Releases what the source itself made; never a client that was passed in. Bounded in time, never rejects. */
  close?(): Promise<void>
  /** How it is doing. */
  health?(): PartHealth
  /** Calls the listener at each change of health; returns the function that ends this. */
  onHealth?(listener: HealthListener): () => void
}

/** What a transform may know beside its input. */
export interface TransformContext {
  /** The event as the source gave it. */
  readonly event: unknown
  /** Stable id of the event. */
  readonly id: string
  /** Aborted when the transform ran out of time or the pipeline stops at once. */
  readonly signal: AbortSignal
}

/** One output, several (an array always means several), or none (`null` or an empty array: the event is filtered). */
export type TransformOutput<O> = O | readonly O[] | null

/**
 * Makes outputs of one input; doesn't mutate the input. Synchronous or not. Returning `undefined` is an error, so that
 * a forgotten `return` loses nothing. A throw isn't tried again unless the error has `retryable: true`.
 * Build chains with `pipe`; the last step of a pipeline's transform shapes the message.
 */
export type Transform<I, O> = (input: I, context?: TransformContext) => TransformOutput<O> | Promise<TransformOutput<O>>

/** What the pipeline tells a sink about a message. */
export interface Delivery {
  /** The same on every copy of the message, also after a restart; goes out as the message id. */
  readonly id: string
}

/**
 * Where messages go. The order of calls is the order on the wire; calls don't wait for each other.
 * The sink heals transport (a lost connection, a missing confirm): the promise stays pending meanwhile. It rejects only
 * with what concerns this message; then the message isn't its own any more. The pipeline reads from the error:
 * `reason: 'nack'` (tried again for ever, in order), `retryable: true` (tried again `maxAttempts` times), else the
 * policy `onFailedEvent` decides. A foreign error without `retryable` counts as retryable.
 */
export interface Sink<M> {
  /** Connects and prepares; waits through outages; rejects on configuration or access errors, and on abort. */
  open?(options: { readonly signal: AbortSignal }): Promise<void>
  /** Resolves when the message is safe. */
  publish(message: M, delivery?: Delivery): Promise<void>
  /** Waits at most `drainTimeoutMs` for what is in flight, then lets go. Never rejects; idempotent. */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>
  /** Size of a message in bytes, counted against `maxInFlightBytes`; absent: the record's size is kept. */
  sizeOf?(message: M): number
  /** How it is doing. While `ok` is false the pipeline reads nothing more. */
  health?(): PartHealth
  /** Calls the listener at each change of health; returns the function that ends this. */
  onHealth?(listener: HealthListener): () => void
}

/** A header value that AMQP can carry without changing its type. Dates, BigInts and NaN are refused. */
export type HeaderValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly HeaderValue[]
  | { readonly [name: string]: HeaderValue }

/** What the message shapes make and the publisher sends. Names are AMQP's. */
export interface RabbitMessage {
  readonly body: Uint8Array
  /** At most 255 bytes in UTF-8. @default the publisher's `routingKey` */
  readonly routingKey?: string
  /** @default the publisher's exchange */
  readonly exchange?: string
  /** @default 'application/json' when made by a message shape */
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers?: { readonly [name: string]: HeaderValue | undefined }
  /** At most 255 bytes. @default the stable id that the pipeline gives */
  readonly messageId?: string
  /** In **seconds** since 1970, as AMQP has it: the time of the change. */
  readonly timestamp?: number
  readonly type?: string
  /** From 0 to 255, for queues with `x-max-priority`; where order matters it must be the same for all. */
  readonly priority?: number
  /** After so many **milliseconds**, as a string of digits, RabbitMQ drops it unread: a change is lost. */
  readonly expiration?: string
  /** At most 255 bytes. */
  readonly correlationId?: string
  /** The queue for answers, at most 255 bytes; not `amq.rabbitmq.reply-to`. */
  readonly replyTo?: string
  /** At most 255 bytes. */
  readonly appId?: string
  /** RabbitMQ checks it: the user name that the publisher logs in with, nothing else. */
  readonly userId?: string
  /** Further routing keys, each at most 255 bytes. Consumers see them. Never from data: each reaches another queue. */
  readonly CC?: readonly string[]
  /** The same, hidden from consumers. */
  readonly BCC?: readonly string[]
  /** Written to disk by the broker. @default the publisher's `persistent` */
  readonly persistent?: boolean
  /** Returned, which counts as failed, when no queue is bound. @default the publisher's `mandatory` */
  readonly mandatory?: boolean
}

/** How a message shape writes its body. Synchronous: a schema is fetched before, or in a `map` in front of the shape. */
export interface Encoder {
  /** Goes out as `content_type`, at most 255 bytes. */
  readonly contentType: string
  /** Goes out as `content_encoding`, at most 255 bytes. @default none */
  readonly contentEncoding?: string
  /**
   * Whether Int32, Int64 and Double must arrive as classes that tell them apart: the pipeline asks the source for them,
   * and numbers are objects in every transform. @default false
   */
  readonly needsExactTypes?: boolean
  /**
   * The bytes of a body: its fields in order, with values as the driver gives them. A Map, because names come from data;
   * `Object.fromEntries(body)` is safe where an object is needed. What it throws fails the event with
   * `CDC_ENCODE_FAILED`, and so does anything but a Uint8Array.
   */
  encode(body: ReadonlyMap<string, unknown>): Uint8Array
}

/** A settled position under the name of its pipeline. */
export interface Checkpoint {
  /** The name of the pipeline: a store may hold the checkpoints of many. */
  readonly name: string
  readonly position: Position
  readonly savedAt: Date
}

/**
 * Where settled positions are kept. Calls come one at a time and in order. An unreadable record is an error, never
 * "nothing there": the pipeline would start at now and lose what lies between.
 */
export interface CheckpointStore {
  /** The checkpoint of this pipeline, `undefined` only if there never was one. */
  load(name: string): Promise<Checkpoint | undefined>
  /** Resolves when the checkpoint would survive a crash of this process and of the store. */
  save(checkpoint: Checkpoint): Promise<void>
  /** Where the store itself writes into MongoDB: excluded from what the source reports. */
  readonly namespace?: Namespace
  /** Releases what the store itself made. Never rejects. */
  close?(): Promise<void>
}
