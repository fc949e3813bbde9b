import { assertTransform } from '../factories.js'
import {
  assertInteger,
  assertKnown,
  assertMethods,
  assertNumber,
  assertOneOf,
  assertText,
  resolveBackOff,
} from '../options.js'
import type { BackOffOptions } from '../retry.js'
import type { CheckpointStore, Sink, Source, Transform } from '../types.js'
import type { CircuitBreakerOptions } from './circuit.js'
import type { DeadLetterOptions } from './dead-letters.js'
import { resolveFailureOptions } from './failure-options.js'
import type { FailedEventPolicy } from './failure-policy.js'
import { type LeaseOptions, resolveLease } from './lease-options.js'

/**
 * Which events wait for each other. `document`: events of one document go strictly one after the other, each from
 * transform to confirm. `pipelined`: all may be on their way at once, and are published in stream order; a refused
 * message that is sent again may then follow newer ones. A function gives an ordering key of its own, for example the
 * aggregate of an outbox; it is called for events that have a key, and `undefined` makes a barrier of the event.
 */
export type Ordering<E> = 'document' | 'pipelined' | ((event: E) => string | undefined)

/** What a pipeline is made of. Durations are in milliseconds. */
export interface CdcPipelineOptions<E, M> {
  /**
   * The key of its checkpoint, at most 255 bytes. Two pipelines of one name overwrite each other's position, unless they
   * have a `lease`; a new name starts at now.
   */
  readonly name: string
  /** Where changes come from. Belongs to this pipeline, which closes it. */
  readonly source: Source<E>
  /** Makes messages of an event; see {@link Transform}. What it returns must be what the sink takes. */
  readonly transform: Transform<E, NoInfer<M>>
  /** Where messages go. Belongs to this pipeline, which closes it. */
  readonly sink: Sink<M>
  /** Where the settled position is kept. What it forgets is read again or lost, so it must survive a crash. */
  readonly checkpointStore: CheckpointStore
  /** Which events wait for each other. @default 'document' */
  readonly ordering?: Ordering<E>
  /**
   * Events from the oldest unsettled to the newest admitted; from 1 to 1,000,000. Bounds memory and the duplicates
   * after a crash, and how long an event waits behind others. Too small: the broker's latency limits the throughput.
   * @default 1000
   */
  readonly maxInFlight?: number
  /**
   * Bytes of the unsettled events; from 1. An event counts with its BSON until its messages are made, and with those
   * afterwards, so what encoding adds can go beyond it. A larger event is admitted alone. Too small: like `maxInFlight`;
   * too large: that much memory when the broker is away. @default 16777216
   */
  readonly maxInFlightBytes?: number
  /**
   * What happens to an event that failed for good. `stop`: the pipeline fails, and the next start begins with this
   * event. `skip`: it is dropped. `dead-letter`: it goes where `deadLetter` says, and is settled when that is confirmed.
   * Both leave a hole in the history of its document. A function decides case by case, and may ask for one more attempt
   * by `'retry'`; one that never answers holds its lane, and with it the position. @default 'stop'
   */
  readonly onFailedEvent?: FailedEventPolicy<NoInfer<E>>
  /**
   * Where dead letters go, and what they look like; required with `onFailedEvent: 'dead-letter'`. They hold the whole
   * event, also what the transform leaves out. @default none
   */
  readonly deadLetter?: DeadLetterOptions<NoInfer<E>, NoInfer<M>>
  /**
   * So many failed events among the last ones stop the pipeline with `CDC_CIRCUIT_OPEN`, before the policy empties the
   * stream into the dead letters. @default none
   */
  readonly circuitBreaker?: CircuitBreakerOptions
  /**
   * Asynchronous transforms at once; from 1. Too large: that many calls on whatever they ask. @default 16
   */
  readonly transformConcurrency?: number
  /**
   * Longest time for an asynchronous transform; from 1. It counts as a throw. Too small: slow look-ups fail events; too
   * large: one that hangs holds its document, and with it the position, for that long. @default 30000
   */
  readonly transformTimeoutMs?: number
  /**
   * Attempts altogether for a message that fails by itself, or a transform whose error says `retryable: true`; from 1.
   * Nacks and outages don't count: they are waited for without limit. @default 5
   */
  readonly maxAttempts?: number
  /** Delays between attempts, of events and of saves. */
  readonly retry?: BackOffOptions
  /**
   * Between two saves while events flow; from 1. When none has flowed for half a second, what is unsaved is saved at
   * once. Too large: more duplicates after a crash; too small: load on the
   * store. @default 1000
   */
  readonly checkpointIntervalMs?: number
  /**
   * Between two saves while only heartbeats come; from 1. Too small: saving in MongoDB makes the heartbeats that are
   * saved; longer than the oplog reaches back: a pipeline that is stopped can't go on. @default 10000
   */
  readonly idleCheckpointIntervalMs?: number
  /**
   * Settled events without a save, from 1, after which intake pauses; saves begin at half of it. Bounds the duplicates
   * while the store is away. @default 10000
   */
  readonly maxUnsavedEvents?: number
  /** Time for which a save may fail or hang before intake pauses; from 1. @default 60000 */
  readonly maxUnsavedMs?: number
  /**
   * Longest time for what is in flight when the pipeline ends; from 0. Too small: events that were about to be confirmed
   * come again; longer than the platform waits before it kills: the position isn't saved. @default 30000
   */
  readonly drainTimeoutMs?: number
  /** Longest time for `start()`; from 1. Without it a start waits for a server that is away. @default none */
  readonly startTimeoutMs?: number
  /**
   * For several instances of one pipeline: the one that holds the lease publishes, the others stand by, and one of them
   * goes on when it is gone. Needs a store that gives leases, such as `mongoCheckpointStore`. All instances or none: one
   * without it fails with `CDC_FENCED`. @default none
   */
  readonly lease?: LeaseOptions
}

type Optional = 'transform' | 'deadLetter' | 'circuitBreaker' | 'startTimeoutMs' | 'lease'

/** Options with all defaults filled in. */
export type ResolvedOptions<E, M> = Required<Omit<CdcPipelineOptions<E, M>, Optional>> & {
  readonly transform: Transform<E, M>
  readonly deadLetter: DeadLetterOptions<E, M> | undefined
  readonly circuitBreaker: CircuitBreakerOptions | undefined
  readonly startTimeoutMs: number | undefined
  readonly lease: LeaseOptions | undefined
  /** From 0 to 1, for the jitter of delays. */
  readonly random: () => number
}

const known: readonly (keyof CdcPipelineOptions<unknown, unknown>)[] = [
  'name',
  'source',
  'transform',
  'sink',
  'checkpointStore',
  'ordering',
  'maxInFlight',
  'maxInFlightBytes',
  'onFailedEvent',
  'deadLetter',
  'circuitBreaker',
  'transformConcurrency',
  'transformTimeoutMs',
  'maxAttempts',
  'retry',
  'checkpointIntervalMs',
  'idleCheckpointIntervalMs',
  'maxUnsavedEvents',
  'maxUnsavedMs',
  'drainTimeoutMs',
  'startTimeoutMs',
  'lease',
]

/** The longest delay of a timer; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

function duration(name: string, value: number, min = 1): number {
  return assertNumber(name, value, min, MAX_TIMER_MS)
}

/** Checks every option and fills in the defaults. @throws OptionsError */
export function resolvePipelineOptions<E, M>(options: CdcPipelineOptions<E, M>): ResolvedOptions<E, M> {
  assertKnown('createCdcPipeline', options, known)
  // Defaults by destructuring: unlike `??` they let a `null` through to its error.
  const { ordering = 'document', retry = {}, startTimeoutMs, lease } = options
  const { maxInFlight = 1000, maxInFlightBytes = 16 * 2 ** 20, maxAttempts = 5, drainTimeoutMs = 30_000 } = options
  const { transformConcurrency = 16, transformTimeoutMs = 30_000 } = options
  const { checkpointIntervalMs = 1000, idleCheckpointIntervalMs = 10_000 } = options
  const { maxUnsavedEvents = 10_000, maxUnsavedMs = 60_000 } = options
  if (typeof ordering !== 'function') assertOneOf('ordering', ordering, ['document', 'pipelined'])
  return {
    name: assertText('name', options.name, 255),
    source: assertMethods('source', options.source, ['open']),
    transform: assertTransform('transform', options.transform),
    sink: assertMethods('sink', options.sink, ['publish', 'close']),
    checkpointStore: assertMethods('checkpointStore', options.checkpointStore, ['load', 'save']),
    ordering,
    maxInFlight: assertInteger('maxInFlight', maxInFlight, 1, 1_000_000),
    maxInFlightBytes: assertInteger('maxInFlightBytes', maxInFlightBytes, 1),
    ...resolveFailureOptions(options),
    transformConcurrency: assertInteger('transformConcurrency', transformConcurrency, 1),
    transformTimeoutMs: duration('transformTimeoutMs', transformTimeoutMs),
    maxAttempts: assertInteger('maxAttempts', maxAttempts, 1),
    retry: resolveBackOff('retry', retry),
    checkpointIntervalMs: duration('checkpointIntervalMs', checkpointIntervalMs),
    idleCheckpointIntervalMs: duration('idleCheckpointIntervalMs', idleCheckpointIntervalMs),
    maxUnsavedEvents: assertInteger('maxUnsavedEvents', maxUnsavedEvents, 1),
    maxUnsavedMs: duration('maxUnsavedMs', maxUnsavedMs),
    drainTimeoutMs: duration('drainTimeoutMs', drainTimeoutMs, 0),
    startTimeoutMs: startTimeoutMs === undefined ? undefined : duration('startTimeoutMs', startTimeoutMs),
    lease: resolveLease(lease, options.checkpointStore),
    random: Math.random,
  }
}
