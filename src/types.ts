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
   * Batches of records in stream order, of whatever size. The first batch, which may be empty, tells that the
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

/** What a sink is opened with. */
export interface SinkOpenOptions {
  /** Abort ends the waiting: `open` rejects with its reason. */
  readonly signal: AbortSignal
  /**
   * Whether this instance may publish now; given with the pipeline's option `lease` alone. The pipeline asks before each
   * `publish`; a sink that sends something later, or once more, asks right before that, and sends nothing while it is
   * false.
   */
  readonly mayPublish?: () => boolean
}

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
  open?(options: SinkOpenOptions): Promise<void>
  /** Resolves when the message is safe. */
  publish(message: M, delivery?: Delivery): Promise<void>
  /**
   * Forgets at once everything unconfirmed and sends nothing of it again; its promises may stay pending. Called when the
   * lease is lost: another instance sends those messages. `publish` is called again when the lease is back.
   */
  abandon?(): void
  /** Waits at most `drainTimeoutMs` for what is in flight, then lets go. Never rejects; idempotent. */
  close(options?: { readonly drainTimeoutMs?: number }): Promise<void>
  /** Size of a message in bytes, counted against `maxInFlightBytes`; absent: the record's size is kept. */
  sizeOf?(message: M): number
  /** How it is doing. While `ok` is false the pipeline reads nothing more. */
  health?(): PartHealth
  /** Calls the listener at each change of health; returns the function that ends this. */
  onHealth?(listener: HealthListener): () => void
}

export type { HeaderValue, RabbitMessage } from './rabbit-message.js'

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
  /** The epoch of the lease under which it is saved; absent without the option `lease`. */
  readonly epoch?: number
}

/** Who asks a store for a lease. */
export interface LeaseRequest {
  /** The name of the pipeline: one lease per name. */
  readonly name: string
  /** Who asks, unlike any other instance. */
  readonly holder: string
  /** For how long it is good, from the moment at which the store gives it, in milliseconds by the store's own clock. */
  readonly ttlMs: number
}

/** The right to publish and to save under a name, until it runs out. All timing is the pipeline's. */
export interface Lease {
  /** From 1, greater than that of every lease before it under this name. */
  readonly epoch: number
  /** Makes it good for another `ttlMs`, in one attempt; `false` when somebody else has got it since. */
  renew(): Promise<boolean>
  /** Gives it up, so that another instance gets it at once. Nothing happens where somebody else has it. */
  release(): Promise<void>
}

/**
 * Where settled positions are kept. Calls come one at a time and in order. An unreadable record is an error, never
 * "nothing there": the pipeline would start at now and lose what lies between.
 */
export interface CheckpointStore {
  /** The checkpoint of this pipeline, `undefined` only if there never was one. */
  load(name: string): Promise<Checkpoint | undefined>
  /**
   * Resolves when the checkpoint would survive a crash of this process and of the store. In a store with `acquire` it
   * compares and sets in one step: rejects with `CDC_FENCED` when the checkpoint has an epoch that isn't that of the
   * last lease, or has none while a lease is good.
   */
  save(checkpoint: Checkpoint): Promise<void>
  /**
   * One attempt to get the lease of a name: a lease with a new epoch when nobody has one that is good, or the holder
   * asks again; `undefined` while another holder has it. A store without this can't be used with the option `lease`.
   */
  acquire?(request: LeaseRequest): Promise<Lease | undefined>
  /** Where the store itself writes into MongoDB: excluded from what the source reports. */
  readonly namespace?: Namespace
  /** Releases what the store itself made. Never rejects. */
  close?(): Promise<void>
}
