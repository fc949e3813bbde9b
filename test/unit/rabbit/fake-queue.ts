import type { AmqpConnection } from '../../../src/rabbit/amqp-types.js'

/** A queue of letters as amqplib's promise API shows it. */
export class FakeQueue {
  readonly acked: unknown[] = []
  readonly calls: string[] = []
  readonly #letters: { content: Uint8Array; properties: { messageId: string } }[]

  constructor(bodies: readonly Uint8Array[]) {
    this.#letters = bodies.map((content, i) => ({ content, properties: { messageId: `letter${i}` } }))
  }

  get connection(): AmqpConnection {
    const channel = {
      on: () => {},
      checkQueue: async () => ({ messageCount: this.#letters.length }),
      get: async () => this.#letters.shift() ?? false,
      ack: (letter: { properties: { messageId: string } }) => this.calls.push(`ack ${letter.properties.messageId}`),
      nackAll: (requeue: boolean) => this.calls.push(`nackAll ${requeue}`),
      close: async () => this.calls.push('close channel'),
    }
    return {
      on: () => {},
      removeListener: () => {},
      createChannel: async () => channel,
      close: async () => this.calls.push('close connection'),
    } as unknown as AmqpConnection
  }
}
