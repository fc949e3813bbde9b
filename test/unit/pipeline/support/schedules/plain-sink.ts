import type { Delivery, RabbitMessage, Sink } from '../../../../../src/types.js'
import type { Broker } from './broker.js'
import type { Channel, Wired } from './channel.js'

interface Row extends Wired {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  returned: boolean
}

/**
 * A sink of somebody else's making over the same broker: without health and size; a lost channel is there again at
 * once; confirms of one word come as several. Rejects with errors of its own.
 */
export class PlainSink implements Sink<RabbitMessage> {
  readonly #broker: Broker
  readonly #alive: () => boolean
  #channel: Channel | undefined
  /** By tag, in the order of sending. */
  #rows = new Map<number, Row>()
  #tag = 0

  constructor(broker: Broker, alive: () => boolean) {
    this.#broker = broker
    this.#alive = alive
  }

  async open(): Promise<void> {
    this.#connect()
  }

  publish({ body, routingKey = '' }: RabbitMessage, delivery?: Delivery): Promise<void> {
    if (!this.#alive()) return new Promise(() => {})
    if (routingKey.length > 255) throw Object.assign(new Error('invalid'), { retryable: false }) // a throw, not a rejection
    return new Promise((resolve, reject) => {
      const row = { id: delivery?.id ?? '', body: body.toString(), resolve, reject, returned: false }
      this.#send(row)
    })
  }

  async close(): Promise<void> {
    if (this.#channel && this.#alive()) this.#broker.close(this.#channel)
    this.#channel = undefined
  }

  #connect(): void {
    this.#tag = 0
    this.#channel = this.#broker.open({
      ack: (tag, multiple) => {
        for (const [, row] of this.#take(tag, multiple)) {
          if (row.returned) row.reject(new Error('no queue'))
          else row.resolve()
        }
      },
      nack: (tag, multiple) => {
        for (const [, row] of this.#take(tag, multiple)) row.reject({ reason: 'nack' })
      },
      returned: ({ id }) => {
        for (const row of this.#rows.values()) if (row.id === id) row.returned = true
      },
      lost: culprit => this.#lost(culprit),
    })
  }

  #send(row: Row): void {
    this.#tag += 1
    this.#rows.set(this.#tag, row)
    this.#channel?.write({ id: row.id, body: row.body })
  }

  #take(tag: number, multiple: boolean): [number, Row][] {
    const taken = [...this.#rows].filter(([at]) => (multiple ? at <= tag : at === tag))
    for (const [at] of taken) this.#rows.delete(at)
    return taken
  }

  #lost(culprit: Wired | undefined): void {
    const rows = [...this.#rows.values()]
    this.#rows = new Map()
    if (!this.#alive()) return
    this.#connect()
    for (const row of rows) {
      row.returned = false
      if (row.id === culprit?.id) row.reject({ retryable: false })
      else this.#send(row)
    }
  }
}
