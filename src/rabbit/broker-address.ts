import { OptionsError } from '../errors.js'
import type { AmqpTarget } from './amqp-types.js'

/** Where a broker is, and how it is called in errors, events and health. */
export interface BrokerAddress {
  readonly target: AmqpTarget
  /** `host:port/vhost`: all that is ever shown of a URL. */
  readonly label: string
}

/**
 * Reads an AMQP URL (https://www.rabbitmq.com/docs/uri-spec). Throws an OptionsError `CDC_OPTION_INVALID` that says
 * where the mistake is and nothing of the URL; it has no cause, since Node's own error carries the whole input.
 */
export function parseBrokerUrl(name: string, text: string, heartbeatMs: number | undefined): BrokerAddress {
  if (typeof text !== 'string' || text.length === 0)
    fail(name, typeof text === 'string' ? 'an empty string' : typeof text)
  const url = URL.canParse(text) ? new URL(text) : fail(name, 'a string that is no URL', ENCODE)
  const protocol = url.protocol.slice(0, -1)
  if (protocol !== 'amqp' && protocol !== 'amqps') fail(name, 'another protocol')
  // An unencoded `/`, `?` or `#` in a password makes its rest a path: it would be shown as the virtual host.
  if (/@/.test(url.pathname + url.search) || url.hash !== '') fail(name, 'an `@` or `#` behind the host', ENCODE)
  if (url.hostname.includes(',')) fail(name, 'several hosts in one', 'give each its own URL in `urls`')
  const hostname = url.hostname.replace(/^\[|\]$/g, '') || 'localhost'
  const port = Number(url.port) || (protocol === 'amqp' ? 5672 : 5671)
  const vhost = url.pathname.slice(1)
  const shownVhost = vhost === '' ? '/' : decode(name, vhost)
  const anonymous = url.username === '' && url.password === ''
  const parameter = (key: string, otherwise: number): number => {
    const given = url.searchParams.get(key)
    if (given === null) return otherwise
    return /^\d{1,9}$/.test(given) ? Number(given) : fail(name, `a query parameter \`${key}\` that is no number`)
  }
  return {
    target: {
      protocol,
      hostname: decode(name, hostname),
      port,
      username: anonymous ? 'guest' : decode(name, url.username),
      password: anonymous ? 'guest' : decode(name, url.password),
      vhost,
      // AMQP carries whole seconds, and 0 would switch heartbeats off.
      heartbeat: heartbeatMs === undefined ? parameter('heartbeat', 10) : Math.ceil(heartbeatMs / 1_000),
      // amqplib before 0.10.6 asks for 4096, which RabbitMQ 4.1 refuses.
      frameMax: parameter('frameMax', 131_072),
      channelMax: parameter('channelMax', 0),
      locale: url.searchParams.get('locale') ?? 'en_US',
    },
    // Control characters out of `%0a` and the like must not forge log lines.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be removed
    label: `${hostname}:${port}/${shownVhost}`.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?'),
  }
}

const ENCODE = 'characters such as `@`, `/`, `#` and `:` in a password have to be percent-encoded'

function decode(name: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return fail(name, 'a part with a broken percent-encoding', ENCODE)
  }
}

function fail(name: string, got: string, hint?: string): never {
  const text = `Expected \`${name}\` to be a URL such as amqp://user:password@host:5672/vhost, got ${got}`
  throw new OptionsError('CDC_OPTION_INVALID', text, hint === undefined ? {} : { hint })
}

/** Shuffled once, so that many processes with one list spread over the hosts. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const moved = result[i] as T
    result[i] = result[j] as T
    result[j] = moved
  }
  return result
}
