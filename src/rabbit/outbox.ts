import type { PublishError } from '../errors.js'
import { publish, trimUnconfirmed } from './amqp-internals.js'
import type { AmqpConfirm, AmqpConfirmChannel, AmqpReturn } from './amqp-types.js'
import { type BrokerAnswer, ConfirmTable } from './confirm-table.js'
import { ConfirmWatch } from './confirm-watch.js'
import { NackWatch } from './nack-watch.js'
import { isReturned, type OutboxHooks, type OutboxRow } from './outbox-row.js'
import { nacked, unencodable, unroutable } from './publish-errors.js'
import { StaleChannel } from './stale-channel.js'

/**
 * What is to be sent and what was sent, always in the order of `push`. It sends while a channel is attached; when that
 * is lost, everything without a word of the broker goes back to the front. Nothing in here rejects because of transport.
 */
export class Outbox {
  readonly #hooks: OutboxHooks
  readonly #watch: ConfirmWatch
  readonly #table: ConfirmTable<OutboxRow, AmqpReturn> = new ConfirmTable((row, outcome) => this.#settle(row, outcome))
  /** Not sent on this channel; those before `#next` are gone. */
  #waiting: OutboxRow[] = []
  #next = 0
  #channel: AmqpConfirmChannel | undefined
  #writable = false
  #blocked = false
  /** How many may be unconfirmed: one while the culprit of a channel error is searched for, and after a silence. */
  #window: number = Number.POSITIVE_INFINITY
  #suspects = 0
  /** Rejections that wait for `healRoutes`. */
  #healing = 0
  #settled = 0
  #onIdle: (() => void)[] = []
  readonly #nacks: NackWatch
  readonly #stale = new StaleChannel(() => this.#pump())
  #mayPublish: () => boolean = () => true

  /** `nackTimeoutMs` is infinite where a nack says that the message is there already. */
  constructor(confirmTimeoutMs: number, hooks: OutboxHooks, nackTimeoutMs: number = confirmTimeoutMs) {
    this.#hooks = hooks
    this.#nacks = new NackWatch(nackTimeoutMs)
    this.#watch = new ConfirmWatch(confirmTimeoutMs, silentMs => {
      const unconfirmed = this.#table.size
      // Copies of everything at each time-out would bury a broker that is only slow: one message asks whether it answers.
      this.probe(Math.max(1, this.#suspects))
      hooks.silence(silentMs, unconfirmed)
    })
  }

  /** Messages without a word of the broker, sent or not. */
  get pending(): number {
    return this.#table.size + this.#waiting.length - this.#next + this.#healing
  }

  /** Counts every word of the broker; tells whether a channel was of any use. */
  get settled(): number {
    return this.#settled
  }

  /** Asked before each message is written, also one that waited or goes once more; while it says no, all wait. */
  setGate(mayPublish: () => boolean): void {
    this.#mayPublish = mayPublish
  }

  /** Sends, or queues behind what waits. */
  push(row: OutboxRow): void {
    if (this.#next === this.#waiting.length && this.#canSend()) this.#send(row)
    else this.#waiting.push(row)
    this.#measure()
  }

  /** Goes on over this channel. Returns how many messages are sent again. */
  attach(channel: AmqpConfirmChannel): number {
    this.#channel = channel
    this.#writable = true
    this.#stale.end()
    const generation = this.#table.begin()
    channel.on('ack', (confirm: AmqpConfirm) => this.#confirm(generation, confirm, true))
    channel.on('nack', (confirm: AmqpConfirm) => this.#confirm(generation, confirm, false))
    channel.on('return', (info: AmqpReturn) => this.#channel === channel && this.#return(generation, info))
    channel.on('drain', () => {
      if (this.#channel !== channel) return
      this.#writable = true
      this.#pump()
    })
    let resent = 0
    for (let i = this.#next; i < this.#waiting.length && this.#waiting[i]?.sent; i++) resent += 1
    this.#pump()
    return resent
  }

  /** The channel is gone. Returns what was unconfirmed on it: it is first in line again, in the same order. */
  detach(): OutboxRow[] {
    this.#channel = undefined
    this.#stale.end()
    this.#watch.rest()
    const taken = this.#table.takeUnconfirmed()
    this.#waiting = [...taken, ...this.#waiting.slice(this.#next)]
    this.#next = 0
    return taken
  }

  /** While the broker doesn't read, nothing is written and no silence counts. */
  setBlocked(blocked: boolean): void {
    this.#blocked = blocked
    if (blocked) this.#watch.rest()
    else this.#pump()
  }

  /** One of the first `suspects` messages makes the broker close the channel: sends one at a time until they are through. */
  probe(suspects: number): void {
    this.#window = 1
    this.#suspects = suspects
  }

  /** Takes the culprit out of the line and rejects it; the others go at full speed again. */
  refuse(culprit: OutboxRow, error: PublishError): void {
    const i = this.#waiting.indexOf(culprit, this.#next)
    if (i < 0) return
    this.#waiting.splice(i, 1)
    this.#endProbe()
    this.#settled += 1
    culprit.reject(error)
    this.#tellIdle()
  }

  /** Resolves when nothing is pending. */
  idle(): Promise<void> {
    if (this.pending === 0) return Promise.resolve()
    return new Promise(resolve => this.#onIdle.push(resolve))
  }

  /** Forgets everything without a word of the broker; the promises stay pending. The channel has to be given up too. */
  abandon(): void {
    this.detach()
    this.#waiting = []
    this.#endProbe()
    this.#tellIdle()
  }

  /** Gives everything up. */
  rejectAll(makeError: () => Error): void {
    this.detach()
    this.#watch.stop()
    for (const row of this.#waiting.splice(0)) row.reject(makeError())
    this.#tellIdle()
  }

  #endProbe(): void {
    const probed = this.#suspects > 0
    this.#window = Number.POSITIVE_INFINITY
    this.#suspects = 0
    if (probed) this.#hooks.cleared()
  }

  #canSend(): boolean {
    if (this.#channel === undefined || !this.#writable || this.#blocked || this.#stale.stale) return false
    return this.#table.size < this.#window && this.#mayPublish()
  }

  #pump(): void {
    while (this.#next < this.#waiting.length && this.#canSend()) this.#send(this.#waiting[this.#next++] as OutboxRow)
    if (this.#next === this.#waiting.length && this.#next > 0) {
      this.#waiting = []
      this.#next = 0
    } else if (this.#next > 1_024 && this.#next * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
    this.#measure()
  }

  #send(row: OutboxRow): void {
    try {
      // `false` means that it was taken, but no more should come before `drain`.
      this.#writable = publish(this.#channel as AmqpConfirmChannel, row)
    } catch (error) {
      // Nothing was written and no tag was counted.
      if ((error as Error).name === 'IllegalOperationError') this.#sendLater(row)
      else row.reject(unencodable(error))
      this.#tellIdle()
      return
    }
    row.sent = true
    this.#table.add(row)
  }

  /** The channel closes and `close` has yet to be told: then it goes again, before all others. */
  #sendLater(row: OutboxRow): void {
    this.#writable = false
    this.#waiting = [row, ...this.#waiting.slice(this.#next)]
    this.#next = 0
  }

  #confirm(generation: number, { deliveryTag, multiple }: AmqpConfirm, taken: boolean): void {
    const settled = this.#table.confirm(generation, deliveryTag, multiple, taken)
    if (settled === 0) return
    this.#settled += settled
    this.#watch.progress()
    if (this.#suspects > 0) {
      if (this.#suspects <= settled) this.#endProbe()
      else this.#suspects -= settled
    }
    this.#pump()
    if (this.#table.size === 0 && this.#channel) {
      trimUnconfirmed(this.#channel, this.#table.nextTag)
      if (this.#stale.stale) this.#hooks.stale()
    }
    this.#tellIdle()
  }

  #return(generation: number, info: AmqpReturn): void {
    if (this.#table.markReturned(generation, info, row => isReturned(row, info))) {
      this.#watch.progress()
      this.#hooks.returned(info)
    } else if (this.#table.size > 0) {
      // Its ack would count as delivered. Sent again one at a time, the one that comes back is known: so this ends.
      this.probe(this.#table.size)
      this.#hooks.strayReturn()
    }
  }

  #settle(row: OutboxRow, outcome: BrokerAnswer<AmqpReturn>): void {
    if (outcome.kind === 'ack') row.resolve()
    else if (outcome.kind === 'nack') {
      if (this.#nacks.nacked()) this.#stale.begin()
      row.reject(nacked(row))
    } else void this.#rejectUnroutable(row, outcome.info)
  }

  /** The queue may have been deleted: then the retry of the caller shall find it again. */
  async #rejectUnroutable(row: OutboxRow, info: AmqpReturn): Promise<void> {
    this.#healing += 1
    await this.#hooks.healRoutes()
    this.#healing -= 1
    row.reject(unroutable(row, info))
    this.#tellIdle()
  }

  /** Silence counts while a channel stands and something is to be sent or confirmed. */
  #measure(): void {
    if (this.#channel === undefined || this.#blocked) return
    if (this.#table.size > 0 || this.#next < this.#waiting.length) this.#watch.await()
    else this.#watch.rest()
  }

  #tellIdle(): void {
    if (this.#onIdle.length > 0 && this.pending === 0) for (const tell of this.#onIdle.splice(0)) tell()
  }
}
