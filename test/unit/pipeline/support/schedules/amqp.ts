import { EventEmitter } from 'node:events'
import type { AmqpConnection } from '../../../../../src/rabbit/amqp-types.js'
import type { Broker } from './broker.js'
import type { Channel } from './channel.js'

/** Connects to the broker of a schedule as amqplib would. Never answers once the process is gone. */
export async function connectTo(broker: Broker, alive: () => boolean): Promise<AmqpConnection> {
  if (!alive()) return new Promise(() => {})
  if (broker.away) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  return new Connection(broker, alive) as unknown as AmqpConnection
}

/** A connection of amqplib's promise API. */
class Connection extends EventEmitter {
  readonly #broker: Broker
  readonly #alive: () => boolean
  #closed = false

  constructor(broker: Broker, alive: () => boolean) {
    super()
    this.#broker = broker
    this.#alive = alive
  }

  async createConfirmChannel(): Promise<unknown> {
    if (!this.#alive()) return new Promise(() => {})
    if (this.#closed || this.#broker.away) throw new Error('Connection closed')
    return new ConfirmChannel(this.#broker, this)
  }

  async close(): Promise<void> {
    if (!this.#alive() || this.#broker.silent) return new Promise(() => {})
    this.#end()
  }

  /** The connection breaks, after its channel has. */
  breaks(): void {
    this.emit('error', new Error('read ECONNRESET'))
    this.#end()
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.emit('close')
  }
}

/** A confirm channel: writes to one of the broker, and tells what that says in amqplib's words. */
class ConfirmChannel extends EventEmitter {
  readonly #broker: Broker
  readonly #channel: Channel
  readonly #tellBlocked: (event: 'blocked' | 'unblocked') => void

  constructor(broker: Broker, connection: Connection) {
    super()
    this.#broker = broker
    this.#channel = broker.open({
      ack: (deliveryTag, multiple) => this.emit('ack', { deliveryTag, multiple }),
      nack: (deliveryTag, multiple) => this.emit('nack', { deliveryTag, multiple }),
      returned: ({ id }) => {
        const fields = { exchange: '', routingKey: 'key', replyText: 'NO_ROUTE' }
        this.emit('return', { fields, properties: { messageId: id } })
      },
      lost: culprit => {
        if (culprit) this.emit('error', preconditionFailed())
        this.emit('close')
        if (!culprit) connection.breaks()
      },
    })
    this.#tellBlocked = event => connection.emit(event, 'low on memory')
    broker.onBlocked = this.#tellBlocked
    broker.onDrain = () => this.emit('drain')
  }

  publish(_exchange: string, _routingKey: string, body: Buffer, { messageId }: { messageId: string }): boolean {
    if (!this.#channel.open) throw Object.assign(new Error('Channel closed'), { name: 'IllegalOperationError' })
    // A broker with an alarm tells each connection at its first message.
    if (this.#broker.blocked) queueMicrotask(() => this.#broker.blocked && this.#tellBlocked('blocked'))
    this.#channel.write({ id: messageId, body: body.toString() })
    return !this.#broker.full
  }

  async close(): Promise<void> {
    if (this.#broker.close(this.#channel) === 'no answer') return new Promise(() => {})
    this.emit('close')
  }
}

/** Names no message: the publisher has to find out by itself. */
function preconditionFailed(): Error {
  return Object.assign(new Error('PRECONDITION_FAILED - a property of a message'), { code: 406 })
}
