import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type TypedEmitter from 'typed-emitter'
import { type Answers, markDirect } from '../direct-publish.js'
import { BrokerError, isCdcError, OptionsError } from '../errors.js'
import { emitSafely, type PublisherEvents } from '../events.js'
import { HealthBoard } from '../health-board.js'
import { assertText } from '../options.js'
import type { Delivery, HealthListener, PartHealth, RabbitMessage, Sink, SinkOpenOptions } from '../types.js'
import { settledWithin } from '../waiting.js'
import { classifyBrokerError } from './classify-broker-error.js'
import { DirectRow } from './direct-row.js'
import { headersSize } from './header-check.js'
import { Link } from './link.js'
import type { LinkHooks } from './link-hooks.js'
import { checkMessage, type WireMessage } from './message-check.js'
import { Outbox } from './outbox.js'
import type { OutboxHooks } from './outbox-row.js'
import { type PublisherSettings, type RabbitPublisherOptions, resolvePublisherOptions } from './publisher-options.js'

const Emitter: new () => TypedEmitter<PublisherEvents> = EventEmitter as new () => TypedEmitter<PublisherEvents>

/**
 * Publishes to RabbitMQ over one confirm channel, in the order of the calls, and settles each message on the broker's
 * word. It heals everything that is a matter of transport: lost connections and channels, a blocked connection, confirms
 * that don't come, and other messages that make the broker close the channel. Meanwhile promises stay pending, and what
 * was unconfirmed is sent again in its order: at least once, with the same message id on every copy.
 *
 * It keeps what isn't confirmed in memory: whoever calls `publish` without waiting for promises sets the bound, as the
 * pipeline does with `maxInFlight` and `maxInFlightBytes`.
 *
 * ```ts
 * const publisher = new RabbitPublisher({ url: 'amqp://localhost', exchange: { name: 'cdc' } })
 * await publisher.open()
 * await publisher.publish({ routingKey: 'orders.insert', body: Buffer.from('{}') })
 * await publisher.close()
 * ```
 */
export class RabbitPublisher extends Emitter implements Sink<RabbitMessage> {
  // All state is private to the class: `util.inspect` and loggers must not find a password.
  readonly #settings: PublisherSettings
  readonly #health = new HealthBoard('connecting')
  readonly #outbox: Outbox
  readonly #link: Link
  readonly #ended = new AbortController()
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** Checks the options and touches nothing. Throws an OptionsError that names the option. */
  constructor(options: RabbitPublisherOptions) {
    super()
    this.#settings = resolvePublisherOptions(options, Math.random)
    const { confirmTimeoutMs, nackIsCopy } = this.#settings
    const ofOutbox: OutboxHooks = {
      returned: ({ fields, properties }) => {
        const { exchange, routingKey, replyText } = fields
        this.#tell('returned', { messageId: String(properties.messageId), exchange, routingKey, replyText })
      },
      healRoutes: () => this.#link.heal(),
      silence: (silentMs, unconfirmed) => {
        this.#tell('confirmTimeout', { unconfirmed, silentMs })
        this.#link.recycle(`No confirm came for ${silentMs} ms`)
      },
      stale: () => this.#link.recycle('Messages were refused for long; perhaps another channel is not refused'),
      strayReturn: () => this.#link.recycle('A message came back that is none of those that were sent'),
      cleared: () => this.#link.cleared(),
    }
    this.#outbox = new Outbox(confirmTimeoutMs, ofOutbox, nackIsCopy ? Number.POSITIVE_INFINITY : confirmTimeoutMs)
    const hooks: LinkHooks = {
      connected: connected => this.#tell('connected', connected),
      disconnected: disconnected => this.#tell('disconnected', disconnected),
      retry: retry => this.#tell('retry', retry),
      blocked: blocked => this.#tell('blocked', blocked),
      unblocked: unblocked => this.#tell('unblocked', unblocked),
    }
    this.#link = new Link(this.#settings, this.#outbox, this.#health, hooks, Math.random)
  }

  /**
   * Connects, declares or checks the topology, and opens the channel. Waits through outages for as long as they last.
   * Rejects with a BrokerError that isn't retryable when the log-in, the virtual host, TLS, access or the topology is
   * refused, and with the signal's reason on abort; then it may be called again. Further calls share the first result.
   * While `mayPublish` says no, nothing is written to the broker.
   */
  open({ signal = new AbortController().signal, mayPublish }: Partial<SinkOpenOptions> = {}): Promise<void> {
    if (this.#closing) return Promise.reject(closed())
    if (mayPublish) this.#outbox.setGate(mayPublish)
    this.#opening ??= this.#link.open(signal).catch(error => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  /**
   * Resolves when RabbitMQ has confirmed the message: on a durable queue it is on disk, on a quorum queue with the
   * majority. Don't change the body, nor lists and objects in the headers, before. The message id is that of the message,
   * else that of `delivery`, else random.
   * Rejects with a PublishError for this message alone: `nack` (`CDC_NACKED`), `unroutable` (`CDC_UNROUTABLE`), `refused`
   * (`CDC_MESSAGE_REFUSED`), or, before it is sent, `invalid`; after `close()` with `CDC_PUBLISHER_CLOSED`.
   * A header `x-cdc-published-at` carries the time of the call, in ISO 8601.
   */
  publish(message: RabbitMessage, delivery?: Delivery): Promise<void> {
    return new Promise((resolve, reject) => {
      // A throw in here rejects the promise.
      const wire = this.#checked(message, delivery)
      this.#publishDirectly(wire, promised, { resolve, reject })
    })
  }

  static {
    markDirect(RabbitPublisher.prototype.publish, {
      prepare: (sink, message, delivery) => (sink as RabbitPublisher).#checked(message as RabbitMessage, delivery),
      publish: (sink, prepared, answers, token) =>
        (sink as RabbitPublisher).#publishDirectly(prepared as WireMessage, answers, token),
    })
  }

  #publishDirectly<T>(wire: WireMessage, answers: Answers<T>, token: T): void {
    if (this.#closing) queueMicrotask(() => answers.refused(token, closed()))
    else this.#outbox.push(new DirectRow(wire, answers, token, this.#settings.nackIsCopy))
  }

  #checked(message: RabbitMessage, delivery: Delivery | undefined): WireMessage {
    if (this.#closing) throw closed()
    if (!this.#opening) throw new OptionsError('CDC_STATE_INVALID', 'Call `open()` before `publish()`')
    const id = message?.messageId ?? delivery?.id ?? randomUUID()
    return checkMessage(message, id, now(), this.#settings.message)
  }

  /**
   * Gives the broker a new password or token for the connection that stands, as OAuth 2 needs before a token expires.
   * Later connections don't know of it: give `credentials` as a function for them. Nothing of the secret is kept.
   * Rejects with `CDC_BROKER_UNAVAILABLE` (retryable) while there is no connection or when the broker refuses, which
   * closes the connection, and with `CDC_STATE_INVALID` when amqplib is older than 0.10.4.
   */
  async updateSecret(secret: string, reason: string): Promise<void> {
    const { connectTimeoutMs } = this.#settings
    assertText('secret', secret)
    assertText('reason', reason, 255)
    const { connection } = this.#link
    if (connection === undefined || connection.closed) {
      const hint = 'the next connection asks `credentials`'
      throw new BrokerError('CDC_BROKER_UNAVAILABLE', 'There is no connection', { hint, retryable: true })
    }
    try {
      await connection.updateSecret(secret, reason, connectTimeoutMs, this.#ended.signal)
    } catch (error) {
      throw isCdcError(error) ? error : classifyBrokerError(error, 'publish', connection.host)
    }
  }

  /**
   * Forgets everything unconfirmed: nothing of it is sent again, and its promises stay pending. The connection is
   * replaced, as it may hold what was not written yet; of one that was passed in, the channel is, and what amqplib
   * still holds for it goes out first. What is published afterwards goes over the next one.
   */
  abandon(): void {
    if (this.#opening && !this.#closing) this.#link.abandon()
  }

  /** Bytes of the body and the headers. */
  sizeOf(message: RabbitMessage): number {
    // A body of another kind is refused when it is published; here it has no size.
    const bytes = message.body?.byteLength ?? 0
    return bytes + headersSize(message.headers)
  }

  /**
   * How the connection is doing. Reasons: `connecting`, `reconnecting`, `blocked` (the broker is out of memory or disk
   * and reads nothing), `unauthorized` and `topology` (refused while running, tried again for ever), `disconnected` (a
   * connection that was passed in is gone), `closed`.
   */
  health(): PartHealth {
    return this.#health.current
  }

  /** Calls the listener at each change of health; returns the function that ends this. */
  onHealth(listener: HealthListener): () => void {
    return this.#health.listen(listener)
  }

  /**
   * Takes no more messages, waits for the confirms of those it has for at most `drainTimeoutMs` (in milliseconds, from
   * 0, default 30000), then closes channel and connection, at most 2 s each, and ends the socket. What is unconfirmed
   * then rejects with `CDC_PUBLISHER_CLOSED`: it may or may not have arrived. Never rejects; all calls share one result.
   */
  close(options: { readonly drainTimeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close({ drainTimeoutMs = 30_000 }: { readonly drainTimeoutMs?: number }): Promise<void> {
    // Nothing can be confirmed without a connection that may still come.
    const hopeless = this.#link.dead || !this.#opening
    if (!hopeless && drainTimeoutMs > 0) await settledWithin(this.#outbox.idle(), drainTimeoutMs)
    this.#ended.abort(closed())
    await this.#link.close()
    this.#health.set('closed')
    this.#outbox.rejectAll(closed)
  }

  #tell<Name extends keyof PublisherEvents>(name: Name, payload: Parameters<PublisherEvents[Name]>[0]): void {
    if (this.listenerCount(name) === 0) return
    // Listeners are user code: a throw in amqplib's callbacks would end the connection.
    queueMicrotask(() => {
      const emit = this.emit.bind(this) as (name: Name, payload: unknown) => boolean
      emitSafely(emit, name, payload)
    })
  }
}

/** Those who hold a promise are told by it. */
const promised: Answers<{ readonly resolve: () => void; readonly reject: (error: unknown) => void }> = {
  confirmed: ({ resolve }) => resolve(),
  refused: ({ reject }, error) => reject(error),
}

let lastMs = 0
let lastText = ''

/** Formatting a date costs more than all other checks of a message; most come in the same millisecond as another. */
function now(): string {
  const ms = Date.now()
  if (ms !== lastMs) {
    lastMs = ms
    lastText = new Date(ms).toISOString()
  }
  return lastText
}

function closed(): BrokerError {
  const hint = 'messages that were not confirmed may or may not have arrived'
  return new BrokerError('CDC_PUBLISHER_CLOSED', 'The publisher is closed', { hint, retryable: true })
}
