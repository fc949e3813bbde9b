import type { ConnectionOptions } from 'node:tls'
import { BrokerError, OptionsError } from '../errors.js'
import { assertText, fail } from '../options.js'
import { abortable, withDeadline } from '../waiting.js'

/** As whom to log in. */
export interface BrokerCredentials {
  readonly username: string
  readonly password: string
}

/** How to log in: as the subject of the client certificate, with a fixed password, or with one that is asked for. */
export type BrokerLogin = 'external' | BrokerCredentials | (() => BrokerCredentials | Promise<BrokerCredentials>)

/** Options of Node's `tls.connect`, all but the place to connect to. https://nodejs.org/api/tls.html#tlsconnectoptions-callback */
export type BrokerTlsOptions = Readonly<Omit<ConnectionOptions, 'host' | 'port' | 'path' | 'socket' | 'timeout'>>

/** What a log-in needs to know. */
export interface LoginSettings {
  readonly connectTimeoutMs: number
  readonly tls: BrokerTlsOptions | (() => BrokerTlsOptions | Promise<BrokerTlsOptions>) | undefined
  readonly credentials: BrokerLogin | undefined
}

/** What goes into one attempt to connect. */
export interface Login {
  /** Instead of those of the URL; empty where the URL or the certificate says who it is. */
  readonly user: Partial<BrokerCredentials>
  readonly socketOptions: Readonly<Record<string, unknown>>
}

/** amqplib's `credentials.external()`: the broker takes the name from the certificate. */
const EXTERNAL = { mechanism: 'EXTERNAL', response: (): Buffer => Buffer.alloc(0) }

/**
 * Asks for what changes between connections. Rejects with a BrokerError `CDC_BROKER_CREDENTIALS_FAILED` without a cause:
 * errors of a secret store tend to hold the request with its token.
 */
export async function prepareLogin(settings: LoginSettings, signal: AbortSignal): Promise<Login> {
  const { connectTimeoutMs, tls, credentials } = settings
  const socketOptions = { ...(typeof tls === 'function' ? await ask('tls', tls, connectTimeoutMs, signal) : tls) }
  if (credentials === 'external') return { user: {}, socketOptions: { ...socketOptions, credentials: EXTERNAL } }
  if (typeof credentials !== 'function') return { user: credentials ?? {}, socketOptions }
  const given = await ask('credentials', credentials, connectTimeoutMs, signal)
  try {
    return { user: checkCredentials('credentials()', given), socketOptions }
  } catch (error) {
    throw new BrokerError('CDC_BROKER_CREDENTIALS_FAILED', (error as Error).message)
  }
}

/** Checks a user name and a password, and quotes neither. @throws OptionsError */
export function checkCredentials(name: string, given: BrokerCredentials): BrokerCredentials {
  if (typeof given !== 'object' || given === null) {
    return fail(name, 'an object with `username` and `password`', given)
  }
  const { username, password } = given
  assertText(`${name}.username`, username)
  if (typeof password !== 'string') fail(`${name}.password`, 'a string', password)
  // SASL PLAIN separates the two with it.
  if (username.includes('\0') || password.includes('\0')) {
    throw new OptionsError('CDC_OPTION_INVALID', `Expected \`${name}\` to hold no zero byte`)
  }
  return { username, password }
}

async function ask<T>(name: string, give: () => T | Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  const retryable = { retryable: true }
  try {
    return await withDeadline(abortable(signal, give), ms, () => {
      const text = `The function in \`${name}\` gave nothing within ${ms} ms`
      throw new BrokerError('CDC_BROKER_CREDENTIALS_FAILED', text, retryable)
    })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof BrokerError) throw error
    const { name: kind, code } = (error ?? {}) as { name?: unknown; code?: unknown }
    const what = [kind, code].filter(part => typeof part === 'string' && /^\w{1,60}$/.test(part)).join(' ')
    const text = `The function in \`${name}\` failed${what === '' ? '' : `: ${what}`}`
    throw new BrokerError('CDC_BROKER_CREDENTIALS_FAILED', text, retryable)
  }
}
