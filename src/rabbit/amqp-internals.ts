import type { AmqpConfirmChannel, AmqpConnection, AmqpPublishOptions } from './amqp-types.js'

/**
 * The four places where amqplib's insides are touched. Each looks before it touches and does nothing where amqplib
 * looks different: everything is correct without them, only slower, or freed later.
 */

interface Insides {
  readonly connection?: {
    readonly stream?: { destroy?(error: Error): void; cork?(): void; uncork?(): void }
    readonly muxer?: { _readIncoming?(): void }
  }
}

/**
 * Ends the socket at once. amqplib only ends its writing side: against a silent peer it lingers for 15 minutes. With an
 * error, as amqplib stops its heartbeat timers, which keep the process alive, only when it hears of one.
 */
export function destroySocket(connection: AmqpConnection): void {
  const stream = (connection as Insides).connection?.stream
  if (typeof stream?.destroy === 'function') stream.destroy(new Error('The connection was given up'))
}

/** Sends what the channels have gathered in one system call instead of one per message: about twice as fast. */
export function batchSocketWrites(connection: AmqpConnection): void {
  const { stream, muxer } = (connection as Insides).connection ?? {}
  const flush = muxer?._readIncoming
  if (!muxer || typeof flush !== 'function') return
  if (typeof stream?.cork !== 'function' || typeof stream.uncork !== 'function') return
  muxer._readIncoming = function batched(): void {
    stream.cork?.()
    try {
      flush.call(this)
    } finally {
      stream.uncork?.()
    }
  }
}

/**
 * Empties amqplib's own list of unconfirmed messages, which nobody here uses: after confirms out of order it keeps a
 * slot per message for ever. Only to be called when nothing is unconfirmed.
 */
export function trimUnconfirmed(channel: AmqpConfirmChannel, nextTag: number): void {
  const insides = channel as { unconfirmed?: unknown; lwm?: unknown }
  if (!Array.isArray(insides.unconfirmed) || insides.unconfirmed.length < 1_000) return
  if (typeof insides.lwm !== 'number') return
  insides.unconfirmed = []
  insides.lwm = nextTag
}

interface ChannelInsides {
  sendMessage?(fields: object, properties: object, content: Buffer): boolean
  pushConfirmCallback?(callback?: undefined): void
}

/**
 * Does what the channel's `publish` does, without its detour: that makes each message's headers the prototype of an
 * empty object, and to walk one takes as long as all the rest of encoding. Returns whether more may come before `drain`.
 */
export function publish(
  channel: AmqpConfirmChannel,
  exchange: string,
  routingKey: string,
  body: Buffer,
  options: AmqpPublishOptions,
): boolean {
  const insides = channel as ChannelInsides
  if (typeof insides.sendMessage !== 'function' || typeof insides.pushConfirmCallback !== 'function') {
    return channel.publish(exchange, routingKey, body, options)
  }
  const { mandatory } = options
  const more = insides.sendMessage({ exchange, routingKey, mandatory, immediate: false }, options, body)
  insides.pushConfirmCallback() // its list has to count every message; see `trimUnconfirmed`
  return more
}
