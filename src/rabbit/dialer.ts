import type { BrokerError } from '../errors.js'
import { sleep } from '../waiting.js'
import type { AmqpConfirmChannel, AmqpConnection, AmqpModule } from './amqp-types.js'
import { bounded } from './bounded.js'
import { type BrokerStage, classifyBrokerError } from './classify-broker-error.js'
import { attempt, BrokerConnection, closeLate, connectBroker, connectOwn, loadAmqp } from './connection.js'
import { declareTopology } from './declare-topology.js'
import { HostRing } from './host-ring.js'
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
  readonly #hosts: HostRing
  #amqp: AmqpModule | undefined
  #connection: BrokerConnection | undefined
  #attempt = 0

  constructor(settings: PublisherSettings, hooks: DialerHooks, random: () => number) {
    this.#settings = settings
    this.#hooks = hooks
    this.#hosts = new HostRing(Math.max(1, settings.addresses.length), settings.reconnect, random)
  }

  /** `host:port/vhost` of the broker in use, or next to be tried. */
  get host(): string {
    const { addresses, connect } = this.#settings
    const own = connect ? 'the connection of `connect`' : 'the connection that was passed in'
    return addresses[this.#hosts.current]?.label ?? own
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
    this.#hosts.succeeded()
  }

  /**
   * Tries until a confirm channel stands on a connection with the topology. Before each further attempt `onFailure`
   * decides, by throwing, whether there is to be one.
   */
  async dial(signal: AbortSignal, onFailure: (failure: BrokerError) => void): Promise<AmqpConfirmChannel> {
    const { connectTimeoutMs: ms, topology, connection: given, connect } = this.#settings
    if (!given && !connect) this.#amqp ??= await loadAmqp()
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

  /** Waits before the next attempt: longer each time at each host, or (`slow`) as long as it gets at once. */
  async pause(error: unknown, slow: boolean, signal: AbortSignal): Promise<void> {
    const { host } = this
    this.#attempt += 1
    // After a loss the same host again, as it was good; the next one after a failure to connect, or a second loss.
    const stay = this.#connection !== undefined && (!this.#connection.closed || this.#attempt === 1)
    const delayMs = this.#hosts.failed({ slow, stay })
    this.#hooks.failed({ host, error, attempt: this.#attempt, delayMs })
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
    const { connection: given } = this.#settings
    const present = this.#connection
    if (present && (given || !present.closed)) return present
    const amqp = given ?? (await this.#reach(signal))
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

  /** One attempt, at the host whose turn it is. */
  async #reach(signal: AbortSignal): Promise<AmqpConnection> {
    const { addresses, connect } = this.#settings
    if (connect) return await connectOwn(connect, this.#settings, signal)
    const address = addresses[this.#hosts.current]
    if (!address || !this.#amqp) throw new Error('No address')
    return await connectBroker(this.#amqp, address, this.#settings, signal)
  }
}
