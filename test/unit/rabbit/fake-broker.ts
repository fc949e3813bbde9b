import { EventEmitter } from 'node:events'
import type { AmqpConfirmChannel, AmqpConnection } from '../../../src/rabbit/amqp-types.js'

/** What a fake channel was given, with the means to answer. */
export interface Published {
  readonly channel: EventEmitter
  readonly deliveryTag: number
  readonly messageId: string
}

interface FakeBrokerOptions {
  /** Called in a later tick for each message, as a broker would answer. */
  readonly onPublish?: (published: Published) => void
  /** Of the channels that declare the topology. */
  readonly closeChannel?: () => Promise<void>
  readonly createConfirmChannel?: () => Promise<AmqpConfirmChannel>
}

/** A connection of amqplib's promise API, with a broker of two methods behind it. */
export class FakeBroker extends EventEmitter {
  readonly #options: FakeBrokerOptions
  confirmChannels = 0

  constructor(options: FakeBrokerOptions = {}) {
    super()
    this.#options = options
  }

  get asConnection(): AmqpConnection {
    return this as unknown as AmqpConnection
  }

  async createChannel(): Promise<unknown> {
    const { closeChannel = async () => {} } = this.#options
    const done = async () => {}
    return Object.assign(new EventEmitter(), {
      assertExchange: done,
      assertQueue: done,
      bindQueue: done,
      close: closeChannel,
    })
  }

  async createConfirmChannel(): Promise<unknown> {
    this.confirmChannels += 1
    const { createConfirmChannel, onPublish } = this.#options
    if (createConfirmChannel) return createConfirmChannel()
    const channel = new EventEmitter()
    let tag = 0
    return Object.assign(channel, {
      publish(_exchange: string, _routingKey: string, _body: Buffer, { messageId }: { messageId: string }): boolean {
        tag += 1
        const published = { channel, deliveryTag: tag, messageId }
        setImmediate(() => onPublish?.(published))
        return true
      },
      async close() {
        channel.emit('close')
      },
    })
  }

  async close(): Promise<void> {}
}
