import { once } from 'node:events'
import { inspect } from 'node:util'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import type { BrokerError } from '../../src/errors.js'
import type { PublisherEvents } from '../../src/events.js'
import type { RabbitPublisherOptions } from '../../src/rabbit/publisher-options.js'
import { RabbitPublisher } from '../../src/rabbit/rabbit-publisher.js'
import type { RabbitMessage } from '../../src/types.js'
import { rejection as rejectionOf } from './support/pipelines.js'

/** A second connection, to see what the broker has. */
export interface Observer {
  readonly connection: ChannelModel
  readonly channel: Channel
  /** Message ids in the queue, which is empty afterwards. */
  take(queue: string): Promise<string[]>
  close(): Promise<void>
}

export async function observe(url: string): Promise<Observer> {
  const connection = await connect(url)
  connection.on('error', () => {})
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  return {
    connection,
    channel,
    async take(queue) {
      const ids: string[] = []
      for (;;) {
        const message = await channel.get(queue, { noAck: true })
        if (!message) return ids
        ids.push(String(message.properties.messageId))
      }
    },
    async close() {
      await connection.close().catch(() => {})
    },
  }
}

/** Short times, so that tests of failures don't wait. */
export const quick = { reconnect: { minDelayMs: 10, maxDelayMs: 200 }, connectTimeoutMs: 5_000 } as const

const EVENTS: readonly (keyof PublisherEvents)[] = [
  ...(['connected', 'disconnected', 'retry', 'blocked'] as const),
  ...(['unblocked', 'returned', 'confirmTimeout'] as const),
]

const publishers: RabbitPublisher[] = []
/** Everything that any publisher of this file has told, as a logger would print it. */
export const told: string[] = []

export function publisherFor(options: RabbitPublisherOptions): RabbitPublisher {
  const publisher = new RabbitPublisher({ ...quick, ...options })
  publishers.push(publisher)
  for (const name of EVENTS) publisher.on(name, (payload: unknown) => note(name, payload))
  publisher.onHealth(health => note('health', health))
  note('publisher', publisher)
  return publisher
}

export function note(name: string, payload: unknown): void {
  told.push(`${name} ${inspect(payload, { depth: 9, showHidden: true, maxStringLength: 2_000 })}`)
}

/** What a promise rejects with, noted; a promise that resolves is an error of its own. */
export async function rejection(promise: Promise<unknown>): Promise<BrokerError> {
  const error = await rejectionOf(promise)
  note('rejection', error)
  return error as BrokerError
}

/** Closes what the test left open. */
export async function closePublishers(): Promise<void> {
  await Promise.all(publishers.splice(0).map(publisher => publisher.close({ drainTimeoutMs: 0 })))
}

/** The payload of the next event of this name. */
export async function next<Name extends keyof PublisherEvents>(
  publisher: RabbitPublisher,
  name: Name,
): Promise<Parameters<PublisherEvents[Name]>[0]> {
  const [payload] = await once(publisher as never, name)
  return payload
}

export function message(id: string, more: Partial<RabbitMessage> = {}): RabbitMessage {
  return { messageId: id, routingKey: 'a.b', body: Buffer.from(`{"id":"${id}"}`), ...more }
}

/** Publishes `count` messages, at most `window` unconfirmed; `during` is called when so many are sent. */
export async function publishMany(
  publisher: RabbitPublisher,
  count: number,
  {
    window = 200,
    during = {},
    ...more
  }: { window?: number; during?: Record<number, () => unknown>; routingKey?: string } = {},
): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `m${i}`)
  const waiting = new Set<Promise<void>>()
  for (const [i, id] of ids.entries()) {
    const sent = publisher.publish(message(id, more))
    waiting.add(sent)
    sent.then(
      () => waiting.delete(sent),
      () => {},
    )
    if (during[i]) await during[i]()
    if (waiting.size >= window) await Promise.race(waiting)
  }
  await Promise.all(waiting)
  return ids
}

/** What arrived, each only the first time. */
export function firstArrivals(ids: readonly string[]): string[] {
  return [...new Set(ids)]
}
