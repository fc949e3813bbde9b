import type { DialerHooks } from './dialer.js'
import type { OutboxRow } from './outbox-row.js'

/** What the link tells; the same as the events of the publisher. */
export interface LinkHooks {
  connected(connected: { host: string; resent: number }): void
  disconnected(disconnected: { host: string; error: unknown; unconfirmed: number }): void
  retry: DialerHooks['failed']
  blocked(blocked: { reason: string }): void
  unblocked(unblocked: { blockedMs: number }): void
}

/** A channel that is gone, with what was unconfirmed on it. */
export interface Loss {
  readonly error: unknown
  readonly taken: readonly OutboxRow[]
  /** It was given up, and may still be open. */
  readonly givenUp: boolean
}
