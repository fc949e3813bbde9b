import type { WireMessage } from './message-check.js'
import type { TopologyPlan } from './topology.js'

/**
 * Why the channel is gone, as far as messages are concerned. `transport`: no message is to blame. `access`: this user
 * may not write to the publisher's exchange at all. `heal`: the publisher's exchange is missing, and is going to be
 * declared or checked again. `culprit`: this message. `suspects`: one of those in flight.
 */
export type Blame<Row> =
  | { readonly kind: 'transport' | 'access' | 'heal' | 'suspects' }
  | { readonly kind: 'culprit'; readonly row: Row }

/** What the publisher publishes to, and what it declares. */
export interface BlameContext {
  readonly exchange: string
  readonly topology: TopologyPlan
}

/** Errors of the broker that one message can cause; all others concern the connection and are healed by resending. */
const CAUSED_BY_MESSAGE: ReadonlySet<unknown> = new Set([311, 313, 403, 404, 406, 501, 502, 540])

/**
 * Whom the broker closed the channel over; its close frame names no tag. It handles a channel in order and stops at the
 * culprit, and what was settled before was none.
 */
export function judge<Row extends WireMessage>(
  error: unknown,
  inFlight: readonly Row[],
  { exchange, topology }: BlameContext,
): Blame<Row> {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (!CAUSED_BY_MESSAGE.has(code) || inFlight.length === 0) return { kind: 'transport' }
  const text = typeof message === 'string' ? message : ''
  if (code === 403 && text.includes(`access to exchange '${exchange === '' ? 'amq.default' : exchange}' in vhost`)) {
    return { kind: 'access' }
  }
  const pointedAt = pointsAt(code, text, inFlight)
  const restorable = topology.exchange !== undefined && topology.mode !== 'none'
  if (code === 404 && restorable && pointedAt?.exchange === exchange) return { kind: 'heal' }
  // What was alone in flight shares the blame with nobody.
  const row = pointedAt ?? (inFlight.length === 1 ? inFlight[0] : undefined)
  return row === undefined ? { kind: 'suspects' } : { kind: 'culprit', row }
}

/** The first in flight with what the text names: had there been an earlier one, the channel had been closed over that. */
function pointsAt<Row extends WireMessage>(code: unknown, text: string, inFlight: readonly Row[]): Row | undefined {
  if (code === 404) return inFlight.find(row => text.includes(`no exchange '${row.exchange}' in vhost`))
  const user = code === 406 ? /user_id property set to '(.*)' but authenticated/.exec(text)?.[1] : undefined
  if (user !== undefined) return inFlight.find(row => row.options.userId === user)
  const size = code === 406 ? /message size (\d+) is larger/.exec(text)?.[1] : undefined
  return size === undefined ? undefined : inFlight.find(row => row.body.length === Number(size))
}
