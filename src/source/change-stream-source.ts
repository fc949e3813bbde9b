import { EventEmitter } from 'node:events'
import type { ChangeStreamDocument, Document, MongoClient } from 'mongodb'
import type TypedEmitter from 'typed-emitter'
import { messageOf, OptionsError } from '../errors.js'
import { emitSafely, type SourceEvents } from '../events.js'
import { HealthBoard } from '../health-board.js'
import { closeOwnClient, connectedOnce, loadMongo, openOwnClient } from '../mongo-client.js'
import { retry } from '../retry.js'
import type { HealthListener, PartHealth, Position, Source, SourceOpenOptions, SourceRecord } from '../types.js'
import { abortable, withDeadline } from '../waiting.js'
import { classifySourceError } from './classify-error.js'
import { clientWarnings } from './client-warnings.js'
import { openCommandReader } from './command-reader.js'
import { type Deployment, describeDeployment } from './deployment.js'
import { openDriverReader } from './driver-reader.js'
import { markImages } from './mark-images.js'
import { assertUsable } from './position.js'
import { replyOptions } from './reply-options.js'
import { type ChangeStreamSourceOptions, type ResolvedOptions, resolveSourceOptions } from './source-options.js'
import { nowOf, originOf, startOf } from './start-position.js'
import { type OpenReader, reasonOf, supervise, type Tell } from './supervise.js'
import { compileWatch, startOptions, type Watch } from './watch.js'

const Emitter: new () => TypedEmitter<SourceEvents> = EventEmitter as unknown as new () => TypedEmitter<SourceEvents>

const PROBE_MS = 5_000

/**
 * The changes of one or several collections, databases or a whole deployment, as a {@link Source}: pulled in batches,
 * each record with its position, opened again after every fault that passes.
 *
 * Reads nothing before it is opened, and at most one batch ahead. Belongs to one pipeline. Tells what it does by events
 * ({@link SourceEvents}).
 *
 * @throws OptionsError for options that are unknown, out of range or contradict each other
 * @see https://www.mongodb.com/docs/manual/changeStreams/
 */
export class ChangeStreamSource<TSchema extends Document = Document>
  extends Emitter
  implements Source<ChangeStreamDocument<TSchema>>
{
  readonly #options: ResolvedOptions
  readonly #given: MongoClient | undefined
  readonly #uri: string | undefined
  #own: Promise<MongoClient> | undefined
  #exactTypes = false
  readonly #health = new HealthBoard('connecting')

  constructor(options: ChangeStreamSourceOptions) {
    super()
    this.#options = resolveSourceOptions(options)
    this.#given = options.client
    this.#uri = options.uri
    this.#exactTypes = this.#options.promoteValues === false
  }

  useExactTypes(): void {
    if (this.#options.promoteValues === true) {
      throw new OptionsError('CDC_OPTION_INVALID', 'Expected `promoteValues` to be false for canonical EJSON, got true')
    }
    this.#exactTypes = true
  }

  /**
   * Where a first run starts: `startAfter`, `startAtOperationTime`, or now, by the server's clock.
   * @throws SourceError when the start can't be used: `CDC_POSITION_IN_FUTURE`, `CDC_NOT_REPLICA_SET`, access errors
   */
  async startPosition({ signal }: { readonly signal: AbortSignal }): Promise<Position> {
    const watch = compileWatch(this.#options, [])
    const find = async (): Promise<Position> => {
      const deployment = await this.#deployment()
      const position = startOf(this.#options, deployment, watch)
      assertUsable(position, { origin: originOf(deployment, watch), now: deployment.now })
      return position
    }
    return await retry(() => abortable(signal, () => find().catch(rejectClassified)), {
      ...this.#options.retry,
      signal,
      shouldRetry: error => !signal.aborted && classifySourceError(error).action === 'retry',
      onRetry: failed => {
        this.#health.set('connecting', messageOf(failed.error))
        this.#emit('retry', failed)
      },
    })
  }

  async *open(options: SourceOpenOptions): AsyncGenerator<readonly SourceRecord<ChangeStreamDocument<TSchema>>[]> {
    const { signal, exclude = [] } = options
    const after = options.after ?? (await this.#startOrAbort(signal))
    if (after === undefined) return
    const watch = compileWatch(this.#options, exclude)
    this.#warnOfClient()
    let told = false // once, however often it is opened until the first batch moves the position
    const onOtherWatch = (was: string): void => {
      if (!told) this.#emit('watchChanged', { was, is: watch.digest })
      told = true
    }
    yield* supervise<ChangeStreamDocument<TSchema>>(after, signal, {
      ...this.#options,
      ...this.#options.retry,
      open: position => this.#openReader(position, watch, onOtherWatch),
      now: async () => nowOf(await this.#deployment(), watch),
      random: Math.random,
      tell: this.#tell(),
    })
  }

  /** The events alone, for whoever just wants `for await (const event of source.events())`. Nothing is saved. */
  async *events({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<ChangeStreamDocument<TSchema>> {
    const left = new AbortController()
    const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal])
    try {
      for await (const records of this.open({ signal: either })) {
        for (const { event } of records) if (event !== undefined) yield event
      }
    } finally {
      left.abort()
      await this.close()
    }
  }

  async close(): Promise<void> {
    const own = this.#own
    this.#own = undefined
    if (own !== undefined) await closeOwnClient(own)
  }

  health(): PartHealth {
    return this.#health.current
  }

  onHealth(listener: HealthListener): () => void {
    return this.#health.listen(listener)
  }

  /** The start position; `undefined` when aborted, which ends the iteration without an error. */
  async #startOrAbort(signal: AbortSignal): Promise<Position | undefined> {
    try {
      return await this.startPosition({ signal })
    } catch (error) {
      if (signal.aborted) return undefined
      throw error
    }
  }

  readonly #client: () => Promise<MongoClient> = connectedOnce(async () => {
    if (this.#given !== undefined) return this.#given
    this.#own ??= openOwnClient(this.#uri ?? '')
    return await this.#own
  })

  async #deployment(): Promise<Deployment> {
    return await describeDeployment(await this.#client())
  }

  async #openReader(position: Position, watch: Watch, onOtherWatch: (was: string) => void): Promise<OpenReader> {
    const client = await this.#client()
    const deployment = await describeDeployment(client)
    const origin = originOf(deployment, watch)
    assertUsable(position, { origin, now: deployment.now })
    const was = position.origin?.watch
    if (was !== undefined && was !== watch.digest) onOtherWatch(was)
    const { BSON, Timestamp } = await loadMongo()
    const setup = {
      client,
      watch,
      start: startOptions(position, (t, i) => new Timestamp({ t, i })),
      batchSize: this.#options.batchSize,
      promoteValues: !this.#exactTypes,
      bson: BSON,
    }
    const reader = this.#readsWithDriver(client, deployment)
      ? openDriverReader({
          ...setup,
          maxAwaitTimeMS: this.#options.maxAwaitTimeMS,
          calculateObjectSize: BSON.calculateObjectSize,
        })
      : await openCommandReader(setup)
    return {
      reader: markImages(reader, this.#options.fullDocument),
      origin,
      probe: () => this.#isAlive(client, deployment),
    }
  }

  #readsWithDriver(client: MongoClient, deployment: Deployment): boolean {
    const { reader } = this.#options
    if (reader !== 'auto') return reader === 'driver'
    const encrypted = client.options.autoEncryption !== undefined
    return deployment.sharded || encrypted || client.readPreference.mode !== 'primary'
  }

  /** Asks on another connection. Another server that answers is no sign of life: the cursor isn't there. */
  async #isAlive(client: MongoClient, { server }: Deployment): Promise<boolean> {
    const hello = client.db('admin').command({ hello: 1 }, replyOptions)
    const answer = await withDeadline(hello, PROBE_MS, () => undefined)
    return answer !== undefined && (server === undefined || answer.me === undefined || answer.me === server)
  }

  #warnOfClient(): void {
    const options = this.#given?.options ?? {}
    for (const message of clientWarnings(options, this.#options.maxAwaitTimeMS)) this.#emit('warning', { message })
  }

  #tell(): Tell {
    return {
      opened: (after, reopened) => this.#emit('opened', { kind: after.kind, clusterTime: after.clusterTime, reopened }),
      healthy: () => this.#health.set(undefined),
      broken: verdict => {
        const { reason, error } = reasonOf(verdict)
        this.#health.set(reason, error)
      },
      retry: failed => this.#emit('retry', failed),
      watchdog: silence => {
        const { silentMs } = silence
        if (silence.answered) this.#health.set('slow', `No answer to a read for ${silentMs} ms, but elsewhere`)
        this.#emit('watchdog', silence)
      },
      positionFallback: ({ clusterTime }, error) => this.#emit('positionFallback', { clusterTime, error }),
      invalidated: ({ clusterTime }) => this.#emit('invalidated', { clusterTime }),
      historyLost: (from, to, error) =>
        this.#emit('historyLost', { from: from.clusterTime, ...(to && { to: to.clusterTime }), error }),
    }
  }

  #emit<Name extends keyof SourceEvents>(name: Name, payload: Parameters<SourceEvents[Name]>[0]): void {
    emitSafely((event: keyof SourceEvents, data: never) => this.emit(event, data), name, payload as never)
  }
}

/** Passes errors of the server on in our own words, so that what leaves `startPosition` is typed. */
function rejectClassified(error: unknown): never {
  throw error instanceof OptionsError ? error : classifySourceError(error).error
}
