import { BrokerError, OptionsError } from '../errors.js'
import { refuseMissing } from '../missing-package.js'
import { settledWithin } from '../waiting.js'
import { batchSocketWrites, destroySocket } from './amqp-internals.js'
import type { AmqpChannel, AmqpConnection, AmqpModule } from './amqp-types.js'
import { bounded } from './bounded.js'
import type { BrokerAddress } from './broker-address.js'
import { type LoginSettings, prepareLogin } from './login.js'

/** For how long amqplib's goodbye may stay in the socket after the broker closed the connection. */
const GOODBYE_MS = 1_000

/** What a connection tells while it stands. */
export interface ConnectionHooks {
  /** The broker stopped reading from this connection: https://www.rabbitmq.com/docs/connection-blocked */
  blocked(reason: string): void
  unblocked(): void
  /** It is gone, and its channels went before it. Called once. */
  closed(): void
}

/** How to connect. */
export interface ConnectSettings extends LoginSettings {
  readonly socketOptions: Readonly<Record<string, unknown>>
}

/**
 * A connection with listeners on everything that it can tell. `close` is the one source of truth: for a shutdown of the
 * broker amqplib emits no `error`.
 */
export class BrokerConnection {
  readonly amqp: AmqpConnection
  /** `host:port/vhost`. */
  readonly host: string
  /** Whether it is ours to close. */
  readonly owned: boolean
  readonly #hooks: ConnectionHooks
  #closed = false
  #error: unknown
  #whenClosed = (): void => {}
  readonly #closing: Promise<void> = new Promise(resolve => {
    this.#whenClosed = resolve
  })

  constructor(amqp: AmqpConnection, host: string, owned: boolean, hooks: ConnectionHooks) {
    this.amqp = amqp
    this.host = host
    this.owned = owned
    this.#hooks = hooks
    // In the same tick in which it was handed out: an `error` without listener would end the process.
    amqp.on('error', this.#onError)
    amqp.on('close', this.#onClose)
    amqp.on('blocked', this.#onBlocked)
    amqp.on('unblocked', this.#onUnblocked)
    if (owned) batchSocketWrites(amqp)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Why it is gone, as far as anybody said. */
  get error(): unknown {
    return this.#error
  }

  /** It was closed before anybody listened. */
  markClosed(error: unknown): void {
    this.#onClose(error)
  }

  /** Gives the broker a new password or token for this connection, within `ms` milliseconds. */
  async updateSecret(secret: string, reason: string, ms: number, signal: AbortSignal): Promise<void> {
    const { amqp } = this
    if (typeof amqp.updateSecret !== 'function') {
      throw new OptionsError('CDC_STATE_INVALID', 'This connection has no `updateSecret`: it needs amqplib 0.10.4')
    }
    const updating = attempt(async () => await amqp.updateSecret?.(Buffer.from(secret), reason))
    // A refusal closes the connection, and amqplib's promise stays pending.
    const refused = this.#closing.then(() => {
      throw this.#error ?? new Error('The connection was closed')
    })
    await bounded(Promise.race([updating, refused]), ms, 'take the secret', signal)
  }

  /** Says goodbye for at most `ms` milliseconds, then ends the socket. A connection of the user's is left alone. */
  async release(ms: number): Promise<void> {
    if (!this.owned) return this.#forget()
    // amqplib's promise stays pending for ever when the connection dies meanwhile, and throws when it is closed.
    if (!this.#closed && ms > 0)
      await settledWithin(Promise.race([attempt(() => this.amqp.close()), this.#closing]), ms)
    destroySocket(this.amqp)
  }

  readonly #onError = (error: unknown): void => {
    this.#error = error
  }

  readonly #onClose = (error?: unknown): void => {
    if (this.#closed) return
    this.#closed = true
    this.#error ??= error
    if (this.owned) setTimeout(() => destroySocket(this.amqp), GOODBYE_MS).unref()
    this.#whenClosed()
    this.#hooks.closed()
  }

  readonly #onBlocked = (reason: unknown): void => {
    this.#hooks.blocked(typeof reason === 'string' ? reason : String(reason))
  }

  readonly #onUnblocked = (): void => {
    this.#hooks.unblocked()
  }

  #forget(): void {
    this.amqp.removeListener('error', this.#onError)
    this.amqp.removeListener('close', this.#onClose)
    this.amqp.removeListener('blocked', this.#onBlocked)
    this.amqp.removeListener('unblocked', this.#onUnblocked)
  }
}

/** One attempt to connect and log in, bounded as a whole. Rejects with what amqplib or the socket says. */
export async function connectBroker(
  amqp: AmqpModule,
  { target }: BrokerAddress,
  settings: ConnectSettings,
  signal: AbortSignal,
): Promise<AmqpConnection> {
  const { connectTimeoutMs, socketOptions } = settings
  const login = await prepareLogin(settings, signal)
  // amqplib hands out no socket before the log-in is through; net and tls both end theirs with a signal.
  const givenUp = new AbortController()
  const { signal: given } = socketOptions
  const attempted = amqp.connect(
    { ...target, ...login.user },
    {
      // Without it every message from 2 KiB up waits 40 ms for the peer's delayed acknowledgement.
      noDelay: true,
      keepAlive: true,
      keepAliveDelay: 30_000,
      writableHighWaterMark: 262_144,
      ...socketOptions,
      ...login.socketOptions,
      // Of silence; the bound over all of it is ours, as a peer that drips single bytes would never be silent.
      timeout: connectTimeoutMs,
      signal: given instanceof AbortSignal ? AbortSignal.any([given, givenUp.signal]) : givenUp.signal,
    },
  )
  try {
    return await bounded(attempted, connectTimeoutMs, 'take a connection', signal, destroyLate)
  } catch (error) {
    // Not in the same tick as an abort: a connection that has just come would tell its error before `destroyLate` hears.
    givenUp.abort()
    throw error
  }
}

/** One call of the user's own way to connect, bounded. What it gives is ours. */
export async function connectOwn(
  connect: () => Promise<AmqpConnection>,
  { connectTimeoutMs }: ConnectSettings,
  signal: AbortSignal,
): Promise<AmqpConnection> {
  const connection = await bounded(attempt(connect), connectTimeoutMs, 'take a connection', signal, destroyLate)
  const { createConfirmChannel, on } = (connection ?? {}) as Partial<AmqpConnection>
  if (typeof createConfirmChannel === 'function' && typeof on === 'function') return connection
  const text = "Expected `connect` to resolve with a connection of amqplib's promise API"
  throw new BrokerError('CDC_OPTION_INVALID', text)
}

/** A connection that came too late: nobody holds it, so nobody would hear its errors. */
function destroyLate(connection: AmqpConnection): void {
  connection?.on?.('error', () => {})
  if (connection) destroySocket(connection)
}

/** A channel that came too late, on a connection that may be the user's: nobody would close it. */
export function closeLate(channel: AmqpChannel): void {
  channel.on('error', () => {})
  attempt(() => channel.close()).catch(() => {})
}

/** Loads amqplib when it is first needed, so that importing the package doesn't need it. @throws OptionsError */
export async function loadAmqp(load: () => Promise<unknown> = () => import('amqplib')): Promise<AmqpModule> {
  const loaded = (await load().catch(refuseMissing('amqplib'))) as AmqpModule & { default?: AmqpModule }
  return typeof loaded.connect === 'function' ? loaded : (loaded.default as AmqpModule)
}

/** amqplib throws instead of rejecting when a connection or channel is closed already. */
export async function attempt<T>(call: () => Promise<T>): Promise<T> {
  return await call()
}
