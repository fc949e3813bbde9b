import type { Document, MongoClient, ResumeToken, Timestamp } from 'mongodb'
import { OptionsError } from '../errors.js'
import type { OversizedOutcome } from '../events.js'
import {
  assertBoolean,
  assertInteger,
  assertKnown,
  assertMethods,
  assertOneOf,
  assertText,
  resolveBackOff,
} from '../options.js'
import { isClusterTime } from '../position.js'
import type { BackOffOptions } from '../retry.js'
import { assertStages } from './pipeline-stages.js'
import { isToken } from './position.js'

/** A name, or a pattern that the server matches: only the flag `i` is allowed, and the syntax is PCRE's. */
export type NamePattern = string | RegExp

/** Options of a `ChangeStreamSource`. Those of the driver keep the driver's names. */
export interface ChangeStreamSourceOptions {
  /**
   * The client to read with; never closed by the source. Its `serverSelectionTimeoutMS`, `connectTimeoutMS` and
   * `heartbeatFrequencyMS` decide how soon a lost server is noticed: the defaults (30 s, 30 s, 10 s) mean up to 40 s.
   * Exactly one of `client` and `uri` is required.
   */
  readonly client?: MongoClient
  /** Connection string; the source makes a client of its own with short time-outs, and closes it. */
  readonly uri?: string
  /** One database. Absent, with `databases` absent too: the whole deployment. */
  readonly database?: string
  /** Several databases, by name or pattern: one stream over the deployment, filtered by the server. */
  readonly databases?: readonly NamePattern[]
  /** Databases to leave out, by name or pattern; not together with `database`. @default [] */
  readonly excludeDatabases?: readonly NamePattern[]
  /** Collections, by name or pattern; without a database option, in every database. @default all of the scope */
  readonly collections?: readonly NamePattern[]
  /** Collections to leave out, by name or pattern. @default [] */
  readonly excludeCollections?: readonly NamePattern[]
  /**
   * More aggregation stages, after the filter by name. Allowed are those of change streams; none may lose `_id`, the
   * resume token. A `$match` on a looked-up `fullDocument` can make a saved position impossible to find: everything of
   * its cluster time then comes again. @default []
   * @see https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output
   */
  readonly pipeline?: readonly Document[]
  /**
   * Which document updates carry. `updateLookup` is the document as it is when the event is read, not when the change
   * was made; only the stored images (`whenAvailable`, `required`) are of that moment. `required` stops the stream at
   * the first event without image, also at old ones. @default 'default'
   */
  readonly fullDocument?: 'default' | 'updateLookup' | 'whenAvailable' | 'required'
  /** Which document as it was before the change is carried. @default 'off' */
  readonly fullDocumentBeforeChange?: 'off' | 'whenAvailable' | 'required'
  /** Also DDL such as `create`, `createIndexes` and `modify` (MongoDB 6.0 and newer). @default false */
  readonly showExpandedEvents?: boolean
  /**
   * Events per batch at most, from 1 to 100,000; fewer where they are large, so that a batch has about 2 MiB, but not
   * where the driver reads (see `reader`). Two batches are held in memory beside the events in flight: larger ones cost
   * memory (the server sends up to 16 MiB), smaller ones round trips. @default 1000
   */
  readonly batchSize?: number
  /**
   * How long the server waits for an event before it answers with an empty batch, in milliseconds, from 10 to 60,000.
   * It doesn't delay events; each answer moves the position on. @default 1000
   */
  readonly maxAwaitTimeMS?: number
  /** Start at this time, inclusive, when there is no checkpoint. @default now */
  readonly startAtOperationTime?: Timestamp | Date
  /** Start after this resume token when there is no checkpoint. */
  readonly startAfter?: ResumeToken
  /**
   * What to do when the oplog no longer holds the position. `fail`: stop with `CDC_HISTORY_LOST`. `now`: go on with
   * the present; everything between is lost and only told by the event `historyLost`. @default 'fail'
   */
  readonly onHistoryLost?: 'fail' | 'now'
  /**
   * How an event is read that is larger than the 16 MiB that the server can send, such as a large update with images.
   * `split`: the server sends it in parts (MongoDB 6.0.9, 7.0 and newer), and it arrives whole. `reread`: without its
   * images and its `updateDescription`, but with the present document where it would carry one. `key-only`: operation,
   * key and times alone. What can't be done falls to the next: the stream always goes on. @default 'split'
   */
  readonly oversized?: OversizedOutcome
  /**
   * Whether numbers become JavaScript numbers, which makes an int and a double look alike. Canonical EJSON needs
   * `false`, and a pipeline with canonical messages sets it by itself. @default true
   */
  readonly promoteValues?: boolean
  /**
   * How to read. `command` reads raw batches and notices a fail-over at once; `driver` uses the driver's own change
   * stream and serves what the first can't: several mongos, client-side encryption, other read preferences than
   * primary. @default 'auto': `command` wherever it can
   */
  readonly reader?: 'auto' | 'command' | 'driver'
  /**
   * How long beyond `maxAwaitTimeMS` the server may be silent before it is asked on another connection, in
   * milliseconds, from 100 to 600,000. If it answers there it is slow: `health()` says so, and the read is given up
   * after ten minutes, twice as long each time until a batch arrives. @default 5000
   */
  readonly watchdogMs?: number
  /** Delay between attempts to open the stream again; there is no limit to their number. @default 100 ms to 30 s */
  readonly retry?: BackOffOptions
}

/** The options with their defaults. */
export type ResolvedOptions = Required<
  Pick<
    ChangeStreamSourceOptions,
    | 'excludeDatabases'
    | 'excludeCollections'
    | 'pipeline'
    | 'fullDocument'
    | 'fullDocumentBeforeChange'
    | 'showExpandedEvents'
    | 'batchSize'
    | 'maxAwaitTimeMS'
    | 'onHistoryLost'
    | 'oversized'
    | 'reader'
    | 'watchdogMs'
  >
> & { readonly retry: Required<BackOffOptions> } & Pick<
    ChangeStreamSourceOptions,
    'database' | 'databases' | 'collections' | 'promoteValues'
  > &
  Pick<ChangeStreamSourceOptions, 'startAtOperationTime' | 'startAfter'>

const KNOWN = [
  'client',
  'uri',
  'database',
  'databases',
  'excludeDatabases',
  'collections',
  'excludeCollections',
  'pipeline',
  'fullDocument',
  'fullDocumentBeforeChange',
  'showExpandedEvents',
  'batchSize',
  'maxAwaitTimeMS',
  'startAtOperationTime',
  'startAfter',
  'onHistoryLost',
  'oversized',
  'promoteValues',
  'reader',
  'watchdogMs',
  'retry',
] as const satisfies readonly (keyof ChangeStreamSourceOptions)[]

/** Checks the options and fills in the defaults. @throws OptionsError */
export function resolveSourceOptions(options: ChangeStreamSourceOptions): ResolvedOptions {
  assertKnown('ChangeStreamSource', options, KNOWN)
  const { client, uri, database, databases, collections, startAfter, startAtOperationTime } = options
  if (client === undefined && uri === undefined) throw invalid('Expected exactly one of `client` and `uri`, got none')
  if (client !== undefined && uri !== undefined) throw invalid('Expected exactly one of `client` and `uri`, got both')
  if (client !== undefined) assertMethods('client', client, ['db', 'startSession'])
  if (uri !== undefined) assertText('uri', uri)
  if (database !== undefined && databases !== undefined)
    throw invalid('Expected one of `database` and `databases`, got both')
  if (database !== undefined && options.excludeDatabases !== undefined)
    throw invalid('Expected one of `database` and `excludeDatabases`, got both')
  if (database !== undefined) assertDatabase('database', database)
  for (const list of ['databases', 'excludeDatabases', 'collections', 'excludeCollections'] as const) {
    assertPatterns(list, options[list])
  }
  if (startAfter !== undefined && startAtOperationTime !== undefined) {
    throw invalid('Expected one of `startAfter` and `startAtOperationTime`, got both')
  }
  if (startAfter !== undefined && !isToken(startAfter)) throw invalid('Expected `startAfter` to be a resume token')
  if (startAtOperationTime !== undefined) assertTime('startAtOperationTime', startAtOperationTime)
  if (options.promoteValues !== undefined) assertBoolean('promoteValues', options.promoteValues)
  return {
    ...pickDefined({ database, databases, collections, promoteValues: options.promoteValues }),
    ...pickDefined({ startAfter, startAtOperationTime }),
    excludeDatabases: options.excludeDatabases ?? [],
    excludeCollections: options.excludeCollections ?? [],
    pipeline: assertStages(options.pipeline ?? []),
    fullDocument: assertOneOf('fullDocument', options.fullDocument ?? 'default', FULL_DOCUMENT),
    fullDocumentBeforeChange: assertOneOf(
      'fullDocumentBeforeChange',
      options.fullDocumentBeforeChange ?? 'off',
      BEFORE,
    ),
    showExpandedEvents: assertBoolean('showExpandedEvents', options.showExpandedEvents ?? false),
    batchSize: assertInteger('batchSize', options.batchSize ?? 1000, 1, 100_000),
    maxAwaitTimeMS: assertInteger('maxAwaitTimeMS', options.maxAwaitTimeMS ?? 1000, 10, 60_000),
    onHistoryLost: assertOneOf('onHistoryLost', options.onHistoryLost ?? 'fail', ['fail', 'now']),
    oversized: assertOneOf('oversized', options.oversized ?? 'split', OVERSIZED),
    reader: assertOneOf('reader', options.reader ?? 'auto', ['auto', 'command', 'driver']),
    watchdogMs: assertInteger('watchdogMs', options.watchdogMs ?? 5000, 100, 600_000),
    retry: resolveBackOff('retry', options.retry ?? {}),
  }
}

const FULL_DOCUMENT = ['default', 'updateLookup', 'whenAvailable', 'required'] as const
const OVERSIZED = ['split', 'reread', 'key-only'] as const
const BEFORE = ['off', 'whenAvailable', 'required'] as const
const UNWATCHABLE = ['admin', 'local', 'config']

function assertDatabase(name: string, database: string): void {
  assertText(name, database, 63)
  if (UNWATCHABLE.includes(database)) throw invalid(`Expected \`${name}\` to be none of admin, local and config`)
}

function assertTime(name: string, time: Timestamp | Date): void {
  const clusterTime = time instanceof Date ? { t: Math.floor(time.getTime() / 1000), i: 0 } : time
  if (!isClusterTime(clusterTime)) throw invalid(`Expected \`${name}\` to be a timestamp, or a date from 1970 to 2106`)
}

function assertPatterns(name: string, patterns: readonly NamePattern[] | undefined): void {
  if (patterns === undefined) return
  if (!Array.isArray(patterns)) throw invalid(`Expected \`${name}\` to be an array of names and patterns`)
  if (patterns.length === 0 && !name.startsWith('exclude')) throw invalid(`Expected \`${name}\` to name at least one`)
  for (const pattern of patterns) {
    if (typeof pattern === 'string') assertText(name, pattern)
    else if (!(pattern instanceof RegExp)) throw invalid(`Expected \`${name}\` to hold strings and regular expressions`)
    else if (!/^i?$/.test(pattern.flags)) {
      throw invalid(`Expected the patterns of \`${name}\` to have no flag but "i", got "${pattern.flags}"`)
    }
    if (typeof pattern === 'string' && name === 'databases') assertDatabase(name, pattern)
  }
}

/** Without the members that are `undefined`, which exact optional properties don't allow. */
function pickDefined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never
}

function invalid(message: string): OptionsError {
  return new OptionsError('CDC_OPTION_INVALID', message)
}
