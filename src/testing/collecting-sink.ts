import { PublishError } from '../errors.js'
import type { Delivery, HealthListener, PartHealth, RabbitMessage, Sink } from '../types.js'

/** What the broker says to a message; an Error rejects with it. */
export type Answer = 'ack' | 'nack' | 'return' | 'refuse' | Error

/** How a {@link collectingSink} answers. */
export interface CollectingSinkOptions<M> {
  /**
   * Asked for each message that is published; a promise delays the confirm. `attempt` counts from 1 per message id.
   * @default 'ack' at once
   */
  readonly answer?: (message: M, delivery: Delivery, attempt: number) => Answer | Promise<Answer>
}

/** A message as the sink got it. */
export interface Collected<M> {
  readonly message: M
  readonly id: string
}

/** A sink that keeps what it is given. */
export interface CollectingSink<M> extends Sink<M> {
  /** What was confirmed, in the order of publishing. */
  readonly messages: readonly M[]
  /** The same with message ids. */
  readonly collected: readonly Collected<M>[]
  /** Every call of `publish`, also those that were refused. */
  readonly attempts: readonly Collected<M>[]
  /** Confirms nothing until `release()`. */
  hold(): void
  /** Confirms what `hold()` kept back, and what follows. */
  release(): void
  /** Tells another health, for instance `{ ok: false, reason: 'blocked' }`: the pipeline reads nothing while it isn't ok. */
  setHealth(health: { readonly ok: boolean; readonly reason?: string }): void
  /** Resolves when so many messages are confirmed. */
  waitFor(count: number): Promise<void>
}

/**
 * A sink for unit tests: it keeps the messages, and fails, nacks, returns or delays them on demand.
 *
 * @example
 * import { collectingSink } from 'mongo-rabbit-cdc/testing'
 *
 * const sink = collectingSink({ answer: (message, delivery, attempt) => (attempt === 1 ? 'nack' : 'ack') })
 */
export function collectingSink<M = RabbitMessage>({
  answer = () => 'ack',
}: CollectingSinkOptions<M> = {}): CollectingSink<M> {
  const attempts: Collected<M>[] = []
  const confirmed = new Set<Collected<M>>()
  const attemptsOf = new Map<string, number>()
  const listeners = new Set<HealthListener>()
  let health: PartHealth = { ok: true, since: Date.now() }
  let held: Promise<void> | undefined
  let letGo = (): void => undefined
  let closed = false
  const waiting = new Set<() => void>()

  async function publish(message: M, delivery: Delivery = { id: `message-${attempts.length + 1}` }): Promise<void> {
    if (closed) throw new PublishError('CDC_PUBLISHER_CLOSED', 'refused', 'The sink is closed', { retryable: true })
    const attempt = (attemptsOf.get(delivery.id) ?? 0) + 1
    attemptsOf.set(delivery.id, attempt)
    const entry = { message, id: delivery.id }
    attempts.push(entry)
    const given = await answer(message, delivery, attempt)
    if (held) await held
    if (given !== 'ack') throw given instanceof Error ? given : refusal(given)
    confirmed.add(entry)
    for (const check of waiting) check()
  }

  const collected = (): Collected<M>[] => attempts.filter(entry => confirmed.has(entry))
  return {
    publish,
    async close() {
      closed = true
      letGo()
    },
    health: () => health,
    onHealth(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    get messages() {
      return collected().map(entry => entry.message)
    },
    get collected() {
      return collected()
    },
    attempts,
    hold() {
      held ??= new Promise(resolve => (letGo = resolve))
    },
    release() {
      held = undefined
      letGo()
    },
    setHealth(next) {
      health = { ...next, since: Date.now() }
      for (const listener of listeners) listener(health)
    },
    waitFor(count) {
      return new Promise(resolve => {
        const check = (): void => {
          if (confirmed.size < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
    },
  }
}

function refusal(answer: 'nack' | 'return' | 'refuse'): PublishError {
  if (answer === 'nack') {
    return new PublishError('CDC_NACKED', 'nack', 'The message was nacked', { retryable: true })
  }
  if (answer === 'return') {
    return new PublishError('CDC_UNROUTABLE', 'unroutable', 'The message was returned', { retryable: true })
  }
  return new PublishError('CDC_MESSAGE_REFUSED', 'refused', 'The message was refused')
}
