import { OptionsError } from '../errors.js'
import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertKnown,
  assertMethods,
  assertText,
  DAY_MS,
  resolveBackOff,
} from '../options.js'
import type { BackOffOptions } from '../retry.js'
import type { AmqpConnection } from './amqp-types.js'
import { type BrokerAddress, parseBrokerUrl, shuffled } from './broker-address.js'
import type { BrokerLogin, BrokerTlsOptions, LoginSettings } from './login.js'
import { knownLogin, resolveDeduplication, resolveLogin } from './login-options.js'
import type { MessageDefaults } from './message-check.js'
import {
  type BindingOptions,
  type ExchangeOptions,
  planTopology,
  type QueueOptions,
  type TopologyMode,
  type TopologyPlan,
} from './topology.js'

/** Options of a `RabbitPublisher`. One of `url`, `urls`, `connection` and `connect` is required. */
export interface RabbitPublisherOptions {
  /**
   * AMQP URL, `amqp://user:password@host:5672/vhost`, or `amqps:` for TLS. Percent-encode the password. The query may
   * hold `heartbeat` (seconds), `frameMax`, `channelMax` and `locale`. See https://www.rabbitmq.com/docs/uri-spec
   */
  readonly url?: string
  /**
   * Several, of one cluster: shuffled once, the next is tried when one fails, each with a back-off of its own. After a
   * loss the last good one comes first.
   */
  readonly urls?: readonly string[]
  /**
   * A connection of amqplib's promise API that you made. The publisher opens its own channels on it and never closes
   * it. It can't make another one: when yours is lost, messages stay pending, `health()` says `disconnected`, and a new
   * publisher is needed. Give a URL where that isn't wanted, and with the pipeline's option `lease`: what amqplib still
   * holds for a connection of yours goes out after the lease is lost. Don't publish elsewhere on a connection that
   * consumes: a resource alarm of the broker stops it as a whole.
   */
  readonly connection?: AmqpConnection
  /**
   * Your own way to connect: called at the start and after every loss. Each connection that it gives belongs to the
   * publisher, which closes it: don't hand out one that others use. A rejection is tried again for ever. Nothing else
   * about connecting applies then, but `connectTimeoutMs` and `reconnect`.
   */
  readonly connect?: () => Promise<AmqpConnection>
  /**
   * For `amqps:` URLs, passed to Node's `tls.connect`: `ca`, `cert`, `key`, `pfx`, `passphrase`, `servername`…
   * A function is asked at each connect, so that renewed certificates are used. `rejectUnauthorized: false` gives the
   * password to whoever answers. @default what Node trusts
   */
  readonly tls?: BrokerTlsOptions | (() => BrokerTlsOptions | Promise<BrokerTlsOptions>)
  /**
   * Instead of those in the URL. A function is asked at each connect, for passwords and tokens that change; what it
   * gives is not kept. `'external'` logs in as the subject of the client certificate in `tls`, and needs `amqps:` and
   * the broker's plugin `rabbitmq_auth_mechanism_ssl`. @default those of the URL
   */
  readonly credentials?: BrokerLogin
  /**
   * The exchange that is published to. @default RabbitMQ's default exchange, where the routing key is the name of a
   * queue
   */
  readonly exchange?: ExchangeOptions
  /** A queue to declare. Together with `exchange` it is bound to it; alone it is what is published to. @default none */
  readonly queue?: QueueOptions
  /** @default with `exchange` and `queue`: one binding with the routing key `#`, for everything; else none */
  readonly bindings?: readonly BindingOptions[]
  /**
   * `assert` declares exchange, queue and bindings at each connect, and when a message was unroutable. `check` needs no
   * permission to configure; what is missing makes `open()` fail. `none` trusts that everything is there: what isn't
   * shows with the first message. @default 'assert'
   */
  readonly topology?: TopologyMode
  /**
   * Routing key of messages that have none, at most 255 bytes. Without `exchange` and `queue` each message needs one of
   * its own, the name of a queue; one without is unroutable. @default with `queue` and without `exchange` the name of
   * the queue, else ''
   */
  readonly routingKey?: string
  /**
   * A message for which no queue is bound comes back and is rejected as `CDC_UNROUTABLE`. Without it RabbitMQ confirms
   * such a message and drops it. https://www.rabbitmq.com/docs/publishers#unroutable @default true
   */
  readonly mandatory?: boolean
  /** Written to disk before it is confirmed, on durable queues. Without it a restart of the broker loses it. @default true */
  readonly persistent?: boolean
  /**
   * For how long nothing may come back while messages are unconfirmed, in milliseconds, from 10. After that the channel
   * is replaced and one of them is sent again, the others when that is confirmed; each time waits twice as long, up
   * to 5 minutes, until there was none for 10 minutes. Too short: duplicates while the broker is only slow. Doesn't
   * run while the broker blocks the connection. When messages are refused (nack) for so long, the channel is replaced
   * too, as soon as all that it has carried is answered. @default 30000
   */
  readonly confirmTimeoutMs?: number
  /** For how long one attempt to connect and log in, or a step of opening a channel, may take, in milliseconds, from 10. @default 10000 */
  readonly connectTimeoutMs?: number
  /**
   * A silent peer is taken for dead after two to three of these, in milliseconds, rounded up to whole seconds, from
   * 1000. Under 5000 a busy process is taken for dead. https://www.rabbitmq.com/docs/heartbeats @default 10000
   */
  readonly heartbeatMs?: number
  /**
   * Bodies with more bytes are rejected as `CDC_MESSAGE_TOO_LARGE` before they are sent. Larger than the broker's
   * `max_message_size`: the broker closes the channel, and everything in flight is sent again.
   * @default 16777216, the limit of RabbitMQ 4 as it comes
   */
  readonly maxMessageBytes?: number
  /**
   * Sends the message id also as a header: `true` is `x-deduplication-header`, which RabbitMQ's deduplication plugin
   * looks at. @default true with `deduplication: 'queue'`, else false
   */
  readonly deduplicationHeader?: boolean | string
  /**
   * `queue`: queues drop copies (`x-message-deduplication`), and the plugin nacks those, so a nack counts as delivered.
   * A nack for any other reason, such as a full queue, then loses the message. @default 'none'
   */
  readonly deduplication?: 'none' | 'queue'
  /** Delays between attempts to connect; there is no last one. @default { minDelayMs: 100, maxDelayMs: 30000 } */
  readonly reconnect?: BackOffOptions
  /**
   * Passed to `net.connect` or `tls.connect`, and amqplib's `clientProperties`. `noDelay` and `keepAlive` are on. @default {}
   */
  readonly socketOptions?: Readonly<Record<string, unknown>>
}

/** The options with every default filled in. */
export interface PublisherSettings extends LoginSettings {
  /** Empty with a connection of the user's. */
  readonly addresses: readonly BrokerAddress[]
  readonly connection: AmqpConnection | undefined
  readonly connect: (() => Promise<AmqpConnection>) | undefined
  /** A nack means that the queue has the message already. */
  readonly nackIsCopy: boolean
  readonly topology: TopologyPlan
  readonly message: MessageDefaults
  readonly confirmTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly reconnect: Required<BackOffOptions>
  readonly socketOptions: Readonly<Record<string, unknown>>
}

const KNOWN: readonly (keyof RabbitPublisherOptions)[] = [
  ...(['url', 'urls', 'connection', 'connect', 'tls', 'credentials'] as const),
  ...(['exchange', 'queue', 'bindings', 'topology', 'routingKey'] as const),
  ...(['mandatory', 'persistent', 'confirmTimeoutMs', 'connectTimeoutMs', 'heartbeatMs'] as const),
  ...(['maxMessageBytes', 'deduplicationHeader', 'deduplication', 'reconnect', 'socketOptions'] as const),
]

/** The largest that RabbitMQ can be configured for. */
const MAX_MESSAGE_BYTES = 512 * 2 ** 20

/** Checks the options and fills in the defaults; throws an OptionsError that names the option. */
export function resolvePublisherOptions(options: RabbitPublisherOptions, random: () => number): PublisherSettings {
  assertKnown('RabbitPublisher', options, KNOWN)
  const { exchange, queue, mandatory = true, persistent = true, reconnect = {}, socketOptions = {} } = options
  const { confirmTimeoutMs = 30_000, connectTimeoutMs = 10_000, maxMessageBytes = 16 * 2 ** 20 } = options
  const topology = planTopology(options)
  const routingKey = options.routingKey ?? (queue && !exchange ? queue.name : '')
  if (routingKey !== '') assertText('routingKey', routingKey, 255)
  const addresses = resolveAddresses(options, random)
  return {
    addresses,
    connection: options.connection,
    connect: options.connect,
    ...resolveLogin(options, addresses),
    nackIsCopy: options.deduplication === 'queue',
    topology,
    message: {
      exchange: exchange?.name ?? '',
      routingKey,
      mandatory: assertBoolean('mandatory', mandatory),
      persistent: assertBoolean('persistent', persistent),
      maxMessageBytes: assertInteger('maxMessageBytes', maxMessageBytes, 1, MAX_MESSAGE_BYTES),
      deduplicationHeader: resolveDeduplication(options),
      login: knownLogin(options, addresses),
    },
    confirmTimeoutMs: assertInteger('confirmTimeoutMs', confirmTimeoutMs, 10, DAY_MS),
    connectTimeoutMs: assertInteger('connectTimeoutMs', connectTimeoutMs, 10, DAY_MS),
    reconnect: resolveBackOff('reconnect', reconnect),
    socketOptions,
  }
}

function resolveAddresses(options: RabbitPublisherOptions, random: () => number): BrokerAddress[] {
  const { url, urls, connection, connect, heartbeatMs } = options
  const given = [url, urls, connection, connect].filter(value => value !== undefined).length
  if (given !== 1) {
    const text = `Expected one of \`url\`, \`urls\`, \`connection\` and \`connect\`, got ${given === 0 ? 'none' : given}`
    throw new OptionsError('CDC_OPTION_INVALID', text)
  }
  // AMQP has 16 bits for the seconds.
  if (heartbeatMs !== undefined) assertInteger('heartbeatMs', heartbeatMs, 1_000, 65_535_000)
  if (connection !== undefined) {
    assertMethods('connection', connection, ['createChannel', 'createConfirmChannel', 'on'])
    return []
  }
  if (connect !== undefined) {
    assertFunction('connect', connect)
    return []
  }
  if (url !== undefined) return [parseBrokerUrl('url', url, heartbeatMs)]
  if (!Array.isArray(urls) || urls.length === 0) {
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected `urls` to be a list of at least one URL')
  }
  return shuffled(
    (urls as readonly string[]).map((text, i) => parseBrokerUrl(`urls[${i}]`, text, heartbeatMs)),
    random,
  )
}
