import { Channel, type ChannelClient, type Handled, storedOf, type Wired } from './channel.js'

/** What happens at the broker, told to whoever keeps the books. */
export interface BrokerBooks {
  /** `late`: from a channel that its client had given up. */
  arrived(message: Wired, late: boolean): void
  /** The word of the broker has left it. */
  confirmed(message: Wired): void
  refused(message: Wired, how: 'nack' | 'return' | 'close'): void
  /** A channel is gone with messages that are stored and not confirmed. */
  unconfirmed(stored: readonly Wired[]): void
}

/**
 * RabbitMQ, as far as a publisher can tell: reads each channel in order, keeps one queue, confirms in any order. Each
 * deed returns whether there was anything to do.
 */
export class Broker {
  channel: Channel | undefined
  /** Nobody can connect. */
  away = false
  blocked = false
  /** Nothing gets through the connection, in either direction, and nobody says so. */
  silent = false
  /** Sockets have no room: a write asks for the next one to wait. */
  full = false
  onBlocked: ((event: 'blocked' | 'unblocked') => void) | undefined
  onDrain: (() => void) | undefined
  readonly #books: BrokerBooks
  #abandoned: Channel[] = []
  /** How often it will still close the channel over a message, by id. */
  readonly #disliked = new Map<string, number>()

  constructor(books: BrokerBooks) {
    this.#books = books
  }

  /** A client opens a channel; there is one at a time. */
  open(client: ChannelClient): Channel {
    this.silent = false
    this.channel = new Channel(client)
    return this.channel
  }

  /** An alarm: it reads from nobody, and says so. */
  block(): boolean {
    if (this.blocked || this.away || this.silent) return false
    this.blocked = true
    if (this.channel) this.onBlocked?.('blocked')
    return true
  }

  unblock(): boolean {
    if (!this.blocked) return false
    this.blocked = false
    if (this.channel) this.onBlocked?.('unblocked')
    return true
  }

  fill(): boolean {
    if (this.full) return false
    this.full = true
    return true
  }

  /** Breaks the connection, and takes no other. */
  leave(): boolean {
    if (this.away) return false
    this.away = true
    this.blocked = false
    this.lose(0)
    return true
  }

  comeBack(): boolean {
    if (!this.away) return false
    this.away = false
    return true
  }

  fallSilent(): boolean {
    if (this.silent || !this.channel) return false
    this.silent = true
    return true
  }

  /** Takes every message again. */
  likeAll(): void {
    this.#disliked.clear()
  }

  drain(): boolean {
    if (!this.full) return false
    this.full = false
    if (this.channel) this.onDrain?.()
    return true
  }

  /** Reads and stores `n` messages, and says nothing about them yet. */
  store(n: number): boolean {
    const { channel } = this
    if (!channel || this.#deaf || channel.wire.length === 0) return false
    this.#read(channel, n)
    return true
  }

  /** Confirms the oldest `n` messages, those first stored that have to be: all with one word, or each with its own. */
  confirm(n: number, multiple: boolean): boolean {
    const { channel } = this
    if (!channel || this.#deaf) return false
    this.#read(channel, n - channel.handled.length)
    const confirmed = channel.open ? channel.handled.splice(0, n) : []
    const last = confirmed.at(-1)
    if (!last) return false
    for (const message of confirmed) this.#confirmed(message)
    if (multiple) channel.client.ack(last.tag, true)
    else for (const { tag } of confirmed.reverse()) channel.client.ack(tag, false)
    return true
  }

  /** Confirms the `n`th of those that are stored before the others. */
  confirmOnly(n: number): boolean {
    const { channel } = this
    if (!channel || this.#deaf) return false
    this.#read(channel, n - channel.handled.length)
    const [message] = channel.handled.splice(n - 1, 1)
    if (!message || !channel.open) return false
    this.#confirmed(message)
    channel.client.ack(message.tag, false)
    return true
  }

  /** Stores all before the `n`th unread message, and has no room for that one. */
  nack(n: number): boolean {
    const message = this.#readUpTo(n)
    if (!message) return false
    this.#books.refused(message, 'nack')
    this.channel?.client.nack(message.tag, false)
    return true
  }

  /** Has no room for the next `n` messages, and says so with one word; only while all before are confirmed. */
  nackTogether(n: number): boolean {
    const { channel } = this
    if (!channel || this.#deaf || channel.handled.length > 0) return false
    const refused = channel.wire.splice(0, n)
    const last = refused.at(-1)
    if (!last) return false
    for (const message of refused) this.#books.refused(message, 'nack')
    channel.client.nack(last.tag, true)
    return true
  }

  /** Stores all before the `n`th unread message; for that one no queue is bound. The ack comes with the others. */
  return(n: number): boolean {
    const message = this.#readUpTo(n)
    if (!message) return false
    this.#books.refused(message, 'return')
    this.channel?.handled.push({ ...message, returned: true })
    this.channel?.client.returned(message)
    return true
  }

  /**
   * Stores all before the `n`th unread message, and closes the channel because of that one; once more when it comes
   * again, so that whoever sends it alone then knows.
   */
  refuse(n: number): boolean {
    const message = this.#readUpTo(n)
    if (!message) return false
    this.#disliked.set(message.id, 1)
    this.#closeOver(message)
    return true
  }

  /** Stores `n` more messages; then the connection breaks. */
  lose(n: number): boolean {
    const { channel } = this
    if (!channel) return false
    if (!this.#deaf) this.#read(channel, n)
    this.#drop(undefined)
    return true
  }

  /** The client has said goodbye, or gives up a channel that has become silent. */
  close(channel: Channel): 'closed' | 'no answer' {
    if (channel !== this.channel) return 'closed'
    if (this.#deaf) {
      this.channel = undefined
      this.#abandoned.push(channel)
      this.#books.unconfirmed(storedOf(channel))
      return 'no answer'
    }
    this.#read(channel, channel.wire.length)
    this.#end(channel)
    return 'closed'
  }

  /** What was written to channels that were given up, or whose process is gone, is read after all. */
  readAbandoned(): boolean {
    const channels = this.#abandoned.splice(0)
    for (const { wire } of channels) for (const message of wire) this.#books.arrived(message, true)
    return channels.some(({ wire }) => wire.length > 0)
  }

  /** The process at the other end is gone, after so many of its messages were read; the others may come late. */
  forget(n: number): void {
    const { channel } = this
    if (channel && !this.#deaf) this.#read(channel, n)
    this.channel = undefined
    this.silent = false
    if (channel?.open) this.#abandoned.push(channel)
  }

  get #deaf(): boolean {
    return this.silent || this.blocked
  }

  #read(channel: Channel, n: number): void {
    for (let left = n; left > 0 && channel === this.channel; left -= 1) {
      const message = channel.wire.shift()
      if (!message) return
      const dislikes = this.#disliked.get(message.id) ?? 0
      if (dislikes > 0) {
        this.#disliked.set(message.id, dislikes - 1)
        this.#closeOver(message)
      } else {
        channel.handled.push({ ...message, returned: false })
        this.#books.arrived(message, false)
      }
    }
  }

  #readUpTo(n: number): (Wired & { readonly tag: number }) | undefined {
    const { channel } = this
    if (!channel || this.#deaf || channel.wire.length === 0) return undefined
    this.#read(channel, Math.min(n, channel.wire.length) - 1)
    return channel.open ? channel.wire.shift() : undefined
  }

  #confirmed(message: Handled): void {
    if (!message.returned) this.#books.confirmed(message)
  }

  #closeOver(message: Wired): void {
    this.#books.refused(message, 'close')
    this.#drop(message)
  }

  #drop(culprit: Wired | undefined): void {
    const { channel } = this
    if (!channel) return
    this.#end(channel)
    channel.client.lost(culprit)
  }

  #end(channel: Channel): void {
    this.channel = undefined
    this.silent = false
    channel.open = false
    this.#books.unconfirmed(storedOf(channel))
  }
}
