// The client side of amqplib without a socket behind it: takes the frames of a publisher, counts their bytes, and
// confirms all messages of one turn of the event loop with one word, as a broker under load does.

import { EventEmitter } from 'node:events'

/** A connection for `RabbitPublisher`, and `written()`, the bytes that it has taken. */
export function openSinkhole() {
  let written = 0
  const done = async () => undefined
  const buffer = {
    write(bytes) {
      written += bytes.length
      return true
    },
  }

  class Channel extends EventEmitter {
    ch = 1
    connection = { frameMax: 131_072, channels: [undefined, { buffer }] }
    close = done
    #published = 0
    #confirmed = 0

    /** For what doesn't fit into one frame. */
    sendMessage(_fields, _properties, content) {
      return buffer.write(content)
    }

    /** Called once per message. */
    pushConfirmCallback() {
      if (this.#published++ === this.#confirmed) setImmediate(() => this.#confirm())
    }

    #confirm() {
      this.#confirmed = this.#published
      this.emit('ack', { deliveryTag: this.#confirmed, multiple: true })
    }
  }

  const topology = { assertExchange: done, assertQueue: done, bindQueue: done, close: done }
  const connection = Object.assign(new EventEmitter(), {
    createChannel: async () => Object.assign(new EventEmitter(), topology),
    createConfirmChannel: async () => new Channel(),
    close: done,
  })
  return { connection, written: () => written }
}
