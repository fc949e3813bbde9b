import { quietly, settledWithin } from '../waiting.js'
import type { AmqpChannel, AmqpConnection } from './amqp-types.js'
import { bounded } from './bounded.js'
import { parseBrokerUrl } from './broker-address.js'
import { classifyBrokerError } from './classify-broker-error.js'
import { attempt, BrokerConnection, closeLate, connectBroker, loadAmqp } from './connection.js'

/** Bound of each call to the broker, in milliseconds. */
const CALL_MS = 10_000
/** Bound of the goodbyes, in milliseconds. */
const CLOSE_MS = 2_000

/** A message that was taken and not acknowledged. */
export interface Letter {
  readonly content: Uint8Array
  readonly properties: { readonly messageId?: unknown }
}

/** What amqplib's channels can do beside what a publisher needs. */
interface ReadingChannel extends AmqpChannel {
  get(queue: string, options: { readonly noAck: boolean }): Promise<Letter | false>
  ack(letter: Letter): void
  nackAll(requeue: boolean): void
}

/** Where letters are read. */
export interface LetterQueueOptions {
  readonly url: string | undefined
  readonly connection: AmqpConnection | undefined
  readonly queue: string
}

/** Takes letters one by one. What isn't acknowledged goes back to its place, also when this process dies. */
export class LetterQueue {
  readonly #connection: BrokerConnection
  readonly #channel: ReadingChannel
  readonly #queue: string
  readonly #signal: AbortSignal = new AbortController().signal

  private constructor(connection: BrokerConnection, channel: ReadingChannel, queue: string) {
    this.#connection = connection
    this.#channel = channel
    this.#queue = queue
    channel.on('error', () => {}) // the call in hand rejects with it
  }

  /** Connects once; rejects with a BrokerError where that can't be, or where there is no such queue. */
  static async open({ url, connection, queue }: LetterQueueOptions, signal: AbortSignal): Promise<LetterQueue> {
    const broker = await connect(url, connection, signal)
    try {
      const opening = attempt(() => broker.amqp.createChannel())
      const channel = await bounded(opening, CALL_MS, 'open a channel', signal, closeLate)
      return new LetterQueue(broker, channel as ReadingChannel, queue)
    } catch (error) {
      await broker.release(0)
      throw classifyBrokerError(error, 'connect', broker.host)
    }
  }

  /** How many lie there, those that were taken not counted. */
  async count(): Promise<number> {
    const { messageCount } = (await this.#call(() => this.#channel.checkQueue(this.#queue))) as { messageCount: number }
    return messageCount
  }

  /** The next one; absent when there is none. */
  async next(): Promise<Letter | undefined> {
    return (await this.#call(() => this.#channel.get(this.#queue, { noAck: false }))) || undefined
  }

  ack(letter: Letter): void {
    this.#channel.ack(letter)
  }

  /** Puts back what was taken and not acknowledged. */
  putBack(): void {
    this.#channel.nackAll(true)
  }

  /** Never rejects. A connection of the user's stays open. */
  async close(): Promise<void> {
    await settledWithin(
      quietly(() => this.#channel.close()),
      CLOSE_MS,
    )
    await this.#connection.release(CLOSE_MS)
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await bounded(attempt(call), CALL_MS, 'answer', this.#signal)
    } catch (error) {
      const reason = this.#connection.closed ? (this.#connection.error ?? error) : error
      throw classifyBrokerError(reason, 'topology', this.#connection.host)
    }
  }
}

async function connect(
  url: string | undefined,
  given: AmqpConnection | undefined,
  signal: AbortSignal,
): Promise<BrokerConnection> {
  const hooks = { blocked: () => {}, unblocked: () => {}, closed: () => {} }
  if (given) return new BrokerConnection(given, 'the connection that was passed in', false, hooks)
  const address = parseBrokerUrl('url', url ?? '', undefined)
  try {
    const settings = { connectTimeoutMs: CALL_MS, socketOptions: {}, tls: undefined, credentials: undefined }
    const amqp = await connectBroker(await loadAmqp(), address, settings, signal)
    return new BrokerConnection(amqp, address.label, true, hooks)
  } catch (error) {
    signal.throwIfAborted()
    throw classifyBrokerError(error, 'connect', address.label)
  }
}
