import { BrokerError, messageOf } from '../errors.js'
import type { HealthBoard } from '../health-board.js'
import { settledWithin } from '../waiting.js'
import type { AmqpConfirmChannel } from './amqp-types.js'
import { bounded } from './bounded.js'
import { reasonOf } from './classify-broker-error.js'
import { attempt, type BrokerConnection } from './connection.js'
import { declareTopology } from './declare-topology.js'
import { Dialer } from './dialer.js'
import { type Blame, judge } from './find-culprit.js'
import type { LinkHooks, Loss } from './link-hooks.js'
import type { Outbox } from './outbox.js'
import type { OutboxRow } from './outbox-row.js'
import { refused } from './publish-errors.js'
import type { PublisherSettings } from './publisher-options.js'
import { routes } from './topology.js'

/** For how long closing may take: a channel, then a connection. */
const GOODBYE_MS = 2_000
/** A deleted queue is declared again at most this often. */
const HEAL_PAUSE_MS = 100

/**
 * Keeps a confirm channel standing under the outbox, for ever:
 *
 *     dial ──► serve ──► judge ──► (back-off) ──► dial …
 *
 * `dial` tries until a channel stands. `serve` lasts as long as the channel. `judge` decides whether one message is to
 * blame; all others are sent again by the next `serve`.
 */
export class Link {
  readonly #settings: PublisherSettings
  readonly #outbox: Outbox
  readonly #health: HealthBoard
  readonly #hooks: LinkHooks
  readonly #dialer: Dialer
  readonly #closing = new AbortController()
  #channel: AmqpConfirmChannel | undefined
  #running: Promise<void> | undefined
  #blockedSince: number | undefined
  /** The broker refused our exchange: not healthy before a message got through. */
  #unauthorized = false
  #healing: Promise<void> | undefined
  #healedAt = Number.NEGATIVE_INFINITY
  /** Gives up the present channel. */
  #drop: ((error: unknown, givenUp?: boolean) => void) | undefined

  constructor(
    settings: PublisherSettings,
    outbox: Outbox,
    health: HealthBoard,
    hooks: LinkHooks,
    random: () => number,
  ) {
    this.#settings = settings
    this.#outbox = outbox
    this.#health = health
    this.#hooks = hooks
    const [blocked, unblocked] = [(reason: string) => this.#setBlocked(reason), () => this.#setUnblocked()]
    this.#dialer = new Dialer(settings, { failed: failure => hooks.retry(failure), blocked, unblocked }, random)
  }

  /** The connection at hand, which may be closed already. */
  get connection(): BrokerConnection | undefined {
    return this.#dialer.connection
  }

  /** Whether no channel can come any more: a connection of the user's is gone. */
  get dead(): boolean {
    return this.#dialer.dead
  }

  /** Resolves when a channel stands for the first time; rejects on errors that waiting doesn't mend, and on abort. */
  async open(signal: AbortSignal): Promise<void> {
    try {
      const either = AbortSignal.any([signal, this.#closing.signal])
      const channel = await this.#dialer.dial(either, failure => {
        if (this.dead || !failure.retryable) throw failure
        this.#health.set('connecting', failure.message)
      })
      this.#running = this.#run(channel)
    } catch (error) {
      await this.#dialer.release(0)
      throw error
    }
  }

  /** Lets go of the channel and the connection, each bounded in time. Never rejects. */
  async close(): Promise<void> {
    const channel = this.#channel
    this.#closing.abort(new BrokerError('CDC_PUBLISHER_CLOSED', 'The publisher is closed', { retryable: true }))
    // While blocked, the broker would not even read the goodbye.
    if (channel && this.#blockedSince === undefined) {
      const goodbye = attempt(() => channel.close())
      await settledWithin(goodbye, GOODBYE_MS)
    }
    this.#drop?.(undefined)
    await this.#dialer.release(GOODBYE_MS)
    if (this.#running) await settledWithin(this.#running, GOODBYE_MS)
  }

  /** The channel can't be relied on: replaces it, and the connection if the channel doesn't close in time. */
  recycle(why: string): void {
    this.#drop?.(this.#gone(why))
  }

  /**
   * Forgets everything unconfirmed, and replaces the channel. A connection of ours is destroyed with it: a goodbye would
   * first write what amqplib still holds.
   */
  abandon(): void {
    const { connection } = this.#dialer
    const abrupt = connection?.owned === true
    this.#drop?.(this.#gone('given up, as the lease was lost'), !abrupt)
    this.#outbox.abandon() // behind the drop: without a channel it can't be taken for well
    if (abrupt) void this.#dialer.release(0)
  }

  /** Declares the topology again, as a message was unroutable; once for all that ask at the same time. Never rejects. */
  async heal(): Promise<void> {
    const { topology, connectTimeoutMs } = this.#settings
    const { connection } = this.#dialer
    if (!routes(topology) || !connection || connection.closed) return
    // Whoever is rejected just after a healing finds its queue again at the retry.
    if (!this.#healing && performance.now() - this.#healedAt < HEAL_PAUSE_MS) return
    this.#healing ??= declareTopology(connection, topology, connectTimeoutMs, this.#closing.signal)
      // A mismatch shows with the messages that stay unroutable.
      .catch(() => {})
      .finally(() => {
        this.#healing = undefined
        this.#healedAt = performance.now()
      })
    await this.#healing
  }

  /** The messages that were sent one at a time are through. */
  cleared(): void {
    this.#unauthorized = false
    this.#tellStanding()
  }

  async #run(first: AmqpConfirmChannel): Promise<void> {
    const { signal } = this.#closing
    let channel = first
    while (!signal.aborted) {
      const [settledBefore, since] = [this.#outbox.settled, performance.now()]
      const loss = await this.#serve(channel)
      if (signal.aborted) return
      if (loss.givenUp) await this.#closeGivenUp(channel)
      const { kind } = this.#judge(loss)
      this.#hooks.disconnected({ host: this.#dialer.host, error: loss.error, unconfirmed: this.#outbox.pending })
      if (this.dead) return this.#health.set('disconnected', messageOf(loss.error))
      if (kind === 'access') this.#health.set('unauthorized', messageOf(loss.error))
      // While a culprit is looked for the broker is well, and the source needn't pause.
      if (kind === 'transport') this.#health.set('reconnecting', messageOf(loss.error))
      const useful = this.#outbox.settled > settledBefore
      if (useful || performance.now() - since > this.#settings.reconnect.maxDelayMs) this.#dialer.succeeded()
      try {
        // Everybody loses a broker that restarts in one moment, and must not come back in one.
        const gone = this.#dialer.connection?.closed !== false
        if (!useful || gone || kind === 'access') await this.#dialer.pause(loss.error, kind === 'access', signal)
        channel = await this.#dialer.dial(signal, failure => this.#onFailure(failure))
      } catch {
        // Closed, or a connection of the user's is gone: messages stay pending until the close.
        return
      }
    }
  }

  #gone(why: string): BrokerError {
    return new BrokerError('CDC_BROKER_UNAVAILABLE', `${this.#dialer.host}: ${why}`, { retryable: true })
  }

  #onFailure(failure: BrokerError): void {
    this.#health.set(this.dead ? 'disconnected' : reasonOf(failure), failure.message)
    if (this.dead) throw failure
  }

  /** Gives the channel to the outbox; resolves when it is gone. */
  #serve(channel: AmqpConfirmChannel): Promise<Loss> {
    const { connection } = this.#dialer
    return new Promise(resolve => {
      let error: unknown
      const lose = (why: unknown, givenUp: boolean): void => {
        if (this.#channel !== channel) return
        this.#channel = undefined
        this.#drop = undefined
        const taken = this.#outbox.detach()
        // amqplib closes the channels before it says that the connection is closed, and why, in the same tick.
        queueMicrotask(() => {
          resolve({ error: why ?? error ?? connection?.error ?? new Error('Channel closed'), taken, givenUp })
        })
      }
      channel.on('error', (reason: unknown) => {
        error = reason
      })
      channel.on('close', () => lose(undefined, false))
      this.#channel = channel
      this.#drop = (why, givenUp = true) => lose(why, givenUp)
      // Closed before anybody listened: its `close` isn't told again.
      if (connection?.closed !== false) return lose(undefined, false)
      const resent = this.#outbox.attach(channel)
      this.#tellStanding()
      this.#hooks.connected({ host: this.#dialer.host, resent })
    })
  }

  async #closeGivenUp(channel: AmqpConfirmChannel): Promise<void> {
    const { connectTimeoutMs } = this.#settings
    this.#health.set('reconnecting')
    const closing = attempt(() => channel.close())
    await bounded(closing, connectTimeoutMs, 'close a channel', this.#closing.signal).catch(async () => {
      if (this.#dialer.connection?.owned) await this.#dialer.release(0)
    })
  }

  #judge({ error, taken }: Loss): Blame<OutboxRow> {
    const { message, topology } = this.#settings
    const verdict = judge(error, taken, { exchange: message.exchange, topology })
    if (verdict.kind === 'culprit') this.#outbox.refuse(verdict.row, refused(error))
    if (verdict.kind === 'suspects') this.#outbox.probe(taken.length)
    if (verdict.kind === 'access') {
      this.#unauthorized = true
      this.#outbox.probe(1)
    }
    return verdict
  }

  #tellStanding(): void {
    if (this.#channel && !this.#unauthorized && this.#blockedSince === undefined) this.#health.set(undefined)
  }

  #setBlocked(reason: string): void {
    if (this.#blockedSince !== undefined) return
    this.#blockedSince = performance.now()
    this.#outbox.setBlocked(true)
    this.#health.set('blocked', reason)
    this.#hooks.blocked({ reason })
  }

  #setUnblocked(): void {
    if (this.#blockedSince === undefined) return
    const blockedMs = Math.round(performance.now() - this.#blockedSince)
    this.#blockedSince = undefined
    this.#tellStanding()
    this.#outbox.setBlocked(false)
    this.#hooks.unblocked({ blockedMs })
  }
}
