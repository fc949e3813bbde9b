import { OptionsError } from '../errors.js'
import { assertOneOf, assertText, fail } from '../options.js'
import type { BrokerAddress } from './broker-address.js'
import { type BrokerLogin, checkCredentials, type LoginSettings } from './login.js'
import type { RabbitPublisherOptions } from './publisher-options.js'

const PLUGIN_HEADER = 'x-deduplication-header'

/** Checks `tls` and `credentials` against the URLs: what can't protect a log-in is refused before anything is sent. */
export function resolveLogin(
  { tls, credentials, connection, connect }: RabbitPublisherOptions,
  addresses: readonly BrokerAddress[],
): Pick<LoginSettings, 'tls' | 'credentials'> {
  const plain = addresses.some(({ target }) => target.protocol === 'amqp')
  for (const [name, value] of Object.entries({ tls, credentials })) {
    if (value === undefined) continue
    if (connection !== undefined || connect !== undefined) refuse(`\`${name}\` needs \`url\` or \`urls\``)
    if (plain && (name === 'tls' || value === 'external')) {
      refuse(`\`${name === 'tls' ? 'tls' : 'credentials: "external"'}\` needs URLs with amqps:, which use TLS`)
    }
  }
  if (tls !== undefined && typeof tls !== 'function' && (typeof tls !== 'object' || tls === null)) {
    fail('tls', "options of Node's tls.connect, or a function that gives them", tls)
  }
  return { tls, credentials: resolveCredentials(credentials) }
}

function resolveCredentials(credentials: BrokerLogin | undefined): BrokerLogin | undefined {
  if (credentials === undefined || typeof credentials === 'function') return credentials
  if (typeof credentials === 'string') return assertOneOf<'external'>('credentials', credentials, ['external'])
  return checkCredentials('credentials', credentials)
}

/** The user name, where it is the same at each connect: RabbitMQ takes no other as the `userId` of a message. */
export function knownLogin(
  { credentials, socketOptions = {} }: RabbitPublisherOptions,
  addresses: readonly BrokerAddress[],
): string | undefined {
  if (typeof credentials === 'object') return credentials.username
  if (credentials !== undefined || 'credentials' in socketOptions) return undefined
  const names = new Set(addresses.map(({ target }) => target.username))
  return names.size === 1 ? [...names][0] : undefined
}

/** The header for the message id, if there is to be one. */
export function resolveDeduplication(options: RabbitPublisherOptions): string | undefined {
  const { deduplication = 'none' } = options
  assertOneOf('deduplication', deduplication, ['none', 'queue'])
  const { deduplicationHeader: header = deduplication === 'queue' } = options
  if (typeof header !== 'boolean') return assertText('deduplicationHeader', header, 255)
  // Without it the plugin looks at nothing, and every nack would be a loss.
  if (!header && deduplication === 'queue') refuse('`deduplication: "queue"` needs `deduplicationHeader`')
  return header ? PLUGIN_HEADER : undefined
}

function refuse(text: string): never {
  throw new OptionsError('CDC_OPTION_INVALID', text)
}
