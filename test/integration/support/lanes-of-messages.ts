import type { PublishError } from '../../../src/errors.js'
import type { RabbitMessage } from '../../../src/types.js'

/** What `publish` is called on. */
interface Publisher {
  publish(message: RabbitMessage): Promise<void>
}

/**
 * Numbered messages in lanes, sent as the pipeline does it: a lane has one message on its way, and what was refused in
 * passing goes again before anything later. What is unconfirmed when a publisher is closed is left to the next one.
 */
export class LanesOfMessages {
  readonly #next: number[]
  readonly #routingKey: string
  readonly #isPoison: (n: number) => boolean
  #calls = 0
  /** Ids that a promise has resolved for. */
  readonly confirmed: Set<string> = new Set()
  /** Code per id that was refused for good. */
  readonly refused: Map<string, string> = new Map()
  nacks = 0

  constructor(lanes: number, routingKey: string, isPoison: (n: number) => boolean = () => false) {
    this.#next = Array.from({ length: lanes }, () => 0)
    this.#routingKey = routingKey
    this.#isPoison = isPoison
  }

  /** Publishes until `enough` says so after each message, or the publisher is closed. */
  async publish(publisher: Publisher, enough: () => boolean, onNack: () => Promise<void> = async () => {}) {
    await Promise.all(this.#next.map((_, lane) => this.#publishLane(publisher, lane, enough, onNack)))
  }

  async #publishLane(publisher: Publisher, lane: number, enough: () => boolean, onNack: () => Promise<void>) {
    while (!enough()) {
      const id = `${lane}.${this.#next[lane]}`
      this.#calls += 1
      const exchange = this.#isPoison(this.#calls) ? { exchange: 'missing' } : {}
      try {
        const body = Buffer.from(id)
        await publisher.publish({ messageId: id, routingKey: this.#routingKey, body, ...exchange })
        this.confirmed.add(id)
      } catch (error) {
        const { code } = error as PublishError
        if (code === 'CDC_PUBLISHER_CLOSED') return
        if (code === 'CDC_NACKED') {
          this.nacks += 1
          await onNack()
          continue
        }
        this.refused.set(id, code)
      }
      this.#next[lane] = (this.#next[lane] ?? 0) + 1
    }
  }

  /** What is wrong with what arrived: confirmed and not there, or before something earlier of its lane. */
  judge(arrived: readonly string[]): { missing: string[]; disordered: string[]; copies: number } {
    const first = [...new Set(arrived)]
    const seen = new Set(first)
    const last = new Map<string, number>()
    const disordered = first.filter(id => {
      const [lane = '', n = ''] = id.split('.')
      const before = last.get(lane) ?? -1
      last.set(lane, Math.max(before, Number(n)))
      return Number(n) < before
    })
    const missing = [...this.confirmed].filter(id => !seen.has(id))
    return { missing, disordered, copies: arrived.length - first.length }
  }
}
