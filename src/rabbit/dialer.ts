import type { BrokerError } from '../errors.js'
import { backOffMs } from '../retry.js'
import { sleep } from '../waiting.js'
import type { AmqpConfirmChannel, AmqpModule } from './amqp-types.js'
import { bounded } from './bounded.js'
import { type BrokerStage, classifyBrokerError } from './classify-broker-error.js'
import { attempt, BrokerConnection, closeLate, connectBroker, loadAmqp } from './connection.js'
import { declareTopology } from './declare-topology.js'
import type { PublisherSettings } from './publisher-options.js'

/** What the dialer tells. */
export interface DialerHooks {
  /** An attempt failed, and another one follows after the delay. */
  failed(failed: { host: string; error: unknown; attempt: number; delayMs: number }): void
  blocked(reason: string): void
  /** Reads again, or is gone. */
  unblocked(): void
}

/** Makes confirm channels: connection, topology, channel; with back-off, and over a list of hosts. */
export class Dialer {
  readonly #settings: PublisherSettings
  readonly #hooks: DialerHooks
  readonly #random: () => number
  #amqp: AmqpModule | undefined
  #connection: BrokerConnection | undefined
  #address = 0
  #attempt = 0

  constructor(settings: PublisherSettings, hooks: DialerHooks, random: () => number) {
    this.#settings = settings
    this.#hooks = hooks
    this.#random = random
  }

  /** `host:port/vhost` of the broker in use, or next to be tried. */
  get host(): string {
    const { addresses } = this.#settings
    return addresses[this.#address % addresses.length]?.label ?? 'the connection that was passed in'
  }

  get connection(): BrokerConnection | undefined {
    return this.#connection
  }

  /** Whether no connection can come any more: the one of the user is gone. */
  get dead(): boolean {
    return this.#connection !== undefined && !this.#connection.owned && this.#connection.closed
  }

  /** One channel of one connection was of use: the next failure is a first one. */
  succeeded(): void {
    this.#attempt = 0
  }

  /**
   * Tries until a confirm channel stands on a connection with the topology. Before each further attempt `onFailure`
   * decides, by throwing, whether there is to be one.
   */
  async dial(signal: AbortSignal, onFailure: (failure: BrokerError) => void): Promise<AmqpConfirmChannel> {
    const { connectTimeoutMs: ms, topology, connection: given } = this.#settings
    if (!given) this.#amqp ??= await loadAmqp()
    signal.throwIfAborted()
    for (;;) {
      let stage: BrokerStage = 'connect'
      try {
        const connection = await this.#connect(signal)
        stage = 'topology'
        await declareTopology(connection, topology, ms, signal)
        signal.throwIfAborted()
        stage = 'publish'
        const creating = attempt(() => connection.amqp.createConfirmChannel())
        return await bounded(creating, ms, 'open a confirm channel', signal, closeLate)
      } catch (error) {
        signal.throwIfAborted()
        if (given && (error as Error).name === 'IllegalOperationError') this.#connection?.markClosed(error)
        const closed = this.#connection?.closed === true
        // A call that was cut off only says so; the connection says why.
        const failure = classifyBrokerError((closed && this.#connection?.error) || error, stage, this.host)
        // A refused declaration leaves the connection in order; after all else it is in doubt.
        if (!given && (closed || failure.retryable)) await this.release(0)
        onFailure(failure)
        await this.pause(failure, !failure.retryable, signal)
      }
    }
  }

  /** Waits before the next attempt: longer each time, or (`slow`) as long as it gets at once. */
  async pause(error: unknown, slow: boolean, signal: AbortSignal): Promise<void> {
    const { reconnect, addresses } = this.#settings
    const hosts = Math.max(1, addresses.length)
    this.#attempt += 1
    // The hosts of a list are tried one right after the other; the delay comes after the last one.
    const more = !slow && !this.#connection && this.#attempt % hosts !== 0
    const bounds = slow ? { minDelayMs: reconnect.maxDelayMs, maxDelayMs: reconnect.maxDelayMs } : reconnect
    const delayMs = more ? 0 : backOffMs(Math.ceil(this.#attempt / hosts), this.#random, bounds)
    this.#hooks.failed({ host: this.host, error, attempt: this.#attempt, delayMs })
    // After a loss the same host again, as it was good; the next one after a failure to connect.
    if (!this.#connection) this.#address += 1
    await sleep(delayMs, signal)
  }

  /** Lets go of the connection, with a goodbye of at most `ms` milliseconds. Never rejects. */
  async release(ms: number): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    this.#hooks.unblocked()
    await connection?.release(ms)
  }

  async #connect(signal: AbortSignal): Promise<BrokerConnection> {
    const { connection: given, addresses } = this.#settings
    const present = this.#connection
    if (present && (given || !present.closed)) return present
    const address = addresses[this.#address % addresses.length]
    const amqp = given ?? (address && this.#amqp && (await connectBroker(this.#amqp, address, this.#settings, signal)))
    if (!amqp) throw new Error('No address')
    const connection: BrokerConnection = new BrokerConnection(amqp, this.host, given === undefined, {
      blocked: reason => this.#hooks.blocked(reason),
      unblocked: () => this.#hooks.unblocked(),
      closed: () => {
        if (this.#connection === connection) this.#hooks.unblocked()
      },
    })
    this.#connection = connection
    if (signal.aborted) {
      // The abort came in the same tick: whoever aborted has found no connection to let go of.
      await this.release(0)
      throw signal.reason
    }
    return connection
  }
}
