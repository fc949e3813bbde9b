import type { AmqpReturn } from './amqp-types.js'
import type { WireMessage } from './message-check.js'

/** A message on its way, with the promise that its caller holds. */
export interface OutboxRow extends WireMessage {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  /** It was on a channel before, so that a copy may exist. */
  sent: boolean
}

/** Whether this is the message that came back. */
export function isReturned({ exchange, routingKey, options }: OutboxRow, { fields, properties }: AmqpReturn): boolean {
  if (options.messageId !== properties.messageId || !options.mandatory) return false
  return exchange === fields.exchange && routingKey === fields.routingKey
}

/** What the outbox tells. Called in amqplib's callbacks: no user code may run in here. */
export interface OutboxHooks {
  returned(info: AmqpReturn): void
  /** Called before an unroutable message is rejected, which waits for it. Never rejects. */
  healRoutes(): Promise<void>
  /** Nothing came back for so long. */
  silence(silentMs: number, unconfirmed: number): void
  /** A message came back, and which one is unknown: the channel has to be detached before anything else is confirmed. */
  strayReturn(): void
  /** Messages were refused for long, and all are answered: another channel may fare better. */
  stale(): void
  /** All suspects of `probe` are through. */
  cleared(): void
}
