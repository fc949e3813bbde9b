import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import { until } from './waiting.js'

/** A message as a consumer gets it. */
export interface Received {
  readonly messageId: string
  readonly operation: string | undefined
  readonly collection: string | undefined
  readonly clusterTime: string | undefined
  /** Of the event: what stays the same on every copy. */
  readonly order: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: ConsumeMessage['properties']
  readonly routingKey: string
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Takes every message of a queue, in order of arrival. */
export class Inbox {
  readonly received: Received[] = []
  readonly #connection: ChannelModel
  readonly #waiting = new Set<() => void>()

  private constructor(
    connection: ChannelModel,
    readonly channel: Channel,
    readonly queue: string,
  ) {
    this.#connection = connection
  }

  /** Declares the queue, as the publisher would, and consumes from it. */
  static async open(url: string, queue: string, args: Record<string, unknown> = {}): Promise<Inbox> {
    const inbox = await Inbox.idle(url, queue, args)
    await inbox.consume()
    return inbox
  }

  /** Declares the queue, and takes nothing before `consume()`. */
  static async idle(url: string, queue: string, args: Record<string, unknown> = {}): Promise<Inbox> {
    const connection = await connect(url)
    connection.on('error', () => {})
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    await channel.assertQueue(queue, { durable: true, arguments: args })
    return new Inbox(connection, channel, queue)
  }

  async consume(): Promise<void> {
    await this.channel.consume(this.queue, message => message && this.#take(message), { noAck: true })
  }

  /** The first `count` messages, as soon as they have arrived. */
  async take(count: number, ms?: number): Promise<Received[]> {
    await this.until(
      () => this.received.length >= count,
      () => `${count} messages, got ${this.received.length}`,
      ms,
    )
    return this.received.slice(0, count)
  }

  /** Resolves when the condition holds, which is asked after each message. */
  async until(done: () => boolean, what: () => string, ms?: number): Promise<void> {
    await until(done, what, { ms, changed: listener => this.#onMessage(listener) })
  }

  async close(): Promise<void> {
    await this.#connection.close().catch(() => {})
  }

  #onMessage(listener: () => void): () => void {
    this.#waiting.add(listener)
    return () => this.#waiting.delete(listener)
  }

  #take({ properties, content, fields }: ConsumeMessage): void {
    const headers: Record<string, unknown> = properties.headers ?? {}
    const text = content.toString('utf8')
    this.received.push({
      messageId: String(properties.messageId),
      operation: headers['x-cdc-operation'] as string | undefined,
      collection: headers['x-cdc-collection'] as string | undefined,
      clusterTime: headers['x-cdc-cluster-time'] as string | undefined,
      order: headers['x-cdc-order'] as string | undefined,
      headers,
      properties,
      routingKey: fields.routingKey,
      text,
      body: JSON.parse(text),
    })
    for (const listener of [...this.#waiting]) listener()
  }
}

/** The inboxes of a test file, let go after each test. */
export class Inboxes {
  readonly all: Inbox[] = []

  async open(url: string, queue: string): Promise<Inbox> {
    const inbox = await this.idle(url, queue)
    await inbox.consume()
    return inbox
  }

  /** One that takes nothing before `consume()`. */
  async idle(url: string, queue: string, args?: Record<string, unknown>): Promise<Inbox> {
    const inbox = await Inbox.idle(url, queue, args)
    this.all.push(inbox)
    return inbox
  }

  /** Ends them, together with their queues. */
  async remove(): Promise<void> {
    for (const inbox of this.all.splice(0)) {
      await inbox.channel.deleteQueue(inbox.queue)
      await inbox.close()
    }
  }
}

/** How many messages lie in a queue. */
export async function depthOf({ channel, queue }: Inbox): Promise<number> {
  return (await channel.checkQueue(queue)).messageCount
}
