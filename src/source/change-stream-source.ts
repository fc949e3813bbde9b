import { EventEmitter } from 'node:events'
import type { ChangeStreamDocument, Document, MongoClient } from 'mongodb'
import type TypedEmitter from 'typed-emitter'
import { messageOf, OptionsError } from '../errors.js'
import { emitSafely, type SourceEvents } from '../events.js'
import { HealthBoard } from '../health-board.js'
import { closeOwnClient, connectedOnce, openOwnClient } from '../mongo-client.js'
import { retry } from '../retry.js'
import type { HealthListener, PartHealth, Position, Source, SourceOpenOptions, SourceRecord } from '../types.js'
import { abortable } from '../waiting.js'
import { classifySourceError } from './classify-error.js'
import { clientWarnings } from './client-warnings.js'
import { type Deployment, describeDeployment } from './deployment.js'
import { readerOpener } from './open-reader.js'
import { tellingWindow } from './oplog-window.js'
import { assertUsable } from './position.js'
import { type ChangeStreamSourceOptions, type ResolvedOptions, resolveSourceOptions } from './source-options.js'
import { nowOf, originOf, startOf } from './start-position.js'
import { reasonOf, supervise, type Tell } from './supervise.js'
import { timeSeriesIn } from './unwatchable.js'
import { compileWatch, type Watch } from './watch.js'

const Emitter: new () => TypedEmitter<SourceEvents> = EventEmitter as unknown as new () => TypedEmitter<SourceEvents>

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
    const batches = supervise<ChangeStreamDocument<TSchema>>(after, signal, {
      ...this.#options,
      ...this.#options.retry,
      open: readerOpener({
        client: this.#client,
        options: this.#options,
        watch,
        promoteValues: !this.#exactTypes,
        onOtherWatch,
      }),
      now: async () => nowOf(await this.#deployment(), watch),
      random: Math.random,
      tell: this.#tell(watch),
    })
    yield* tellingWindow(batches, after, {
      client: this.#client,
      wanted: () => this.listenerCount('oplogWindow') > 0,
      tell: seen => this.#emit('oplogWindow', seen),
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

  #warnOfClient(): void {
    const options = this.#given?.options ?? {}
    for (const message of clientWarnings(options, this.#options.maxAwaitTimeMS)) this.#emit('warning', { message })
  }

  async #warnOfTimeSeries({ database }: Watch): Promise<void> {
    for (const name of await timeSeriesIn(this.#client, database, this.#options)) {
      const message = `Change streams say nothing of the time-series collection "${name}" in "${database}"`
      this.#emit('warning', { message })
    }
  }

  #tell(watch: Watch): Tell {
    return {
      opened: (after, reopened) => {
        this.#emit('opened', { kind: after.kind, clusterTime: after.clusterTime, reopened })
        if (!reopened) void this.#warnOfTimeSeries(watch)
      },
      healthy: () => this.#health.set(undefined),
      broken: verdict => {
        const { reason, error } = reasonOf(verdict)
        this.#health.set(reason, error)
        // Connections of a user that was dropped and made again stay nameless for ever: only new ones log in.
        if (reason === 'unauthorized') void this.close()
      },
      retry: failed => this.#emit('retry', failed),
      watchdog: silence => {
        const { silentMs } = silence
        if (silence.answered) this.#health.set('slow', `No answer to a read for ${silentMs} ms, but elsewhere`)
        this.#emit('watchdog', silence)
      },
      positionFallback: ({ clusterTime }, error) => this.#emit('positionFallback', { clusterTime, error }),
      invalidated: ({ clusterTime }) => this.#emit('invalidated', { clusterTime }),
      oversized: oversized => this.#emit('oversized', oversized),
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
