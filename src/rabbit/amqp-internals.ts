import type { AmqpConfirmChannel, AmqpConnection } from './amqp-types.js'
import type { WireMessage } from './message-check.js'
import { appendFrames, FRAME_OVERHEAD, MAX_COPIED_BODY, makeRoom, takeFrames } from './publish-frames.js'

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
  readonly ch?: number
  readonly connection?: ConnectionInsides
  sendMessage?(fields: object, properties: object, content: Buffer): boolean
  pushConfirmCallback?(callback?: undefined): void
}

interface ConnectionInsides {
  readonly frameMax?: number
  readonly channels?: readonly ({ readonly buffer?: ChannelQueue } | undefined | null)[]
  sentSinceLastCheck?: boolean
}

/** What waits to be written to the socket, a stream of buffers with whole frames. */
interface ChannelQueue {
  readonly writableNeedDrain?: boolean
  write?(bytes: Buffer): boolean
}

/**
 * Does what the channel's `publish` does, in less time: most messages go as frames of our own making, those of one turn
 * of the event loop in one buffer; the others skip the detour of `publish`, which makes each message's headers the
 * prototype of an empty object. Returns whether more may come before `drain`.
 */
export function publish(channel: AmqpConfirmChannel, message: WireMessage): boolean {
  const { exchange, routingKey, body, options } = message
  const insides = channel as ChannelInsides
  if (typeof insides.sendMessage !== 'function' || typeof insides.pushConfirmCallback !== 'function') {
    return channel.publish(exchange, routingKey, body, options)
  }
  const queue = body.length <= MAX_COPIED_BODY ? queueOf(insides, body.length) : undefined
  let more: boolean
  if (queue === undefined) {
    flush() // what amqplib writes by itself comes behind
    const { mandatory } = options
    more = insides.sendMessage({ exchange, routingKey, mandatory, immediate: false }, options, body)
  } else {
    gather(insides, queue, message)
    appendFrames({ channel: insides.ch ?? 0, exchange, routingKey }, options, body)
    more = queue.writableNeedDrain !== true
  }
  insides.pushConfirmCallback() // its list has to count every message; see `trimUnconfirmed`
  return more
}

/** `undefined` where amqplib has to do it: its insides are others, the channel closes, or the body takes two frames. */
function queueOf(insides: ChannelInsides, bodyLength: number): ChannelQueue | undefined {
  const { connection, ch = 0 } = insides
  const queue = connection?.channels?.[ch]?.buffer
  if (!connection || typeof queue?.write !== 'function' || typeof connection.frameMax !== 'number') return undefined
  // A channel or connection that closes gets functions of its own, which throw.
  if (Object.hasOwn(insides, 'sendMessage') || Object.hasOwn(connection, 'sendMessage')) return undefined
  return bodyLength <= connection.frameMax - FRAME_OVERHEAD ? queue : undefined
}

/** Whose frames are gathered, until they are flushed at the end of the turn. */
let gathering: { readonly insides: ChannelInsides; readonly queue: ChannelQueue } | undefined

/** Sees to it that a message of this channel can be appended to those that are gathered. */
function gather(insides: ChannelInsides, queue: ChannelQueue, { body, bytes }: WireMessage): void {
  if (gathering?.queue !== queue) {
    flush()
    gathering = { insides, queue }
    // In this turn. Called from a microtask, as by a pipeline, that is behind all microtasks, so that their messages go
    // along; called from elsewhere it is before them, and they are gathered anew.
    process.nextTick(flush)
  }
  const full = makeRoom(bytes - body.length, body)
  if (full !== undefined) write(full)
}

/** Writes what was gathered, before anything else is written to the channel. */
function flush(): void {
  if (gathering === undefined) return
  write(takeFrames())
  gathering = undefined
}

/** Frames of a channel that has closed meanwhile are let go of: they are unconfirmed, and sent again over the next. */
function write(frames: Buffer): void {
  const { insides, queue } = gathering ?? {}
  if (frames.length === 0 || insides === undefined || queueOf(insides, 0) !== queue) return
  if (insides.connection) insides.connection.sentSinceLastCheck = true // no heartbeat is due
  queue?.write?.(frames)
}
