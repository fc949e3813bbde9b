import { settledWithin } from '../waiting.js'
import { bounded } from './bounded.js'
import type { BrokerConnection } from './connection.js'
import { attempt, closeLate } from './connection.js'
import { applyTopology, isEmpty, type TopologyPlan } from './topology.js'

/**
 * Applies the plan on a channel of its own: a declaration that the broker refuses closes its channel, and must not take
 * the messages in flight with it. Each step has `ms` milliseconds.
 */
export async function declareTopology(
  connection: BrokerConnection,
  plan: TopologyPlan,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  if (isEmpty(plan)) return
  signal.throwIfAborted()
  const opening = attempt(() => connection.amqp.createChannel())
  const channel = await bounded(opening, ms, 'open a channel', signal, closeLate)
  // The call that is refused rejects with the same error; without a listener it would end the connection.
  channel.on('error', () => {})
  try {
    await bounded(applyTopology(channel, plan), ms, 'declare the topology', signal)
  } finally {
    // Not awaited for long: with the next call the broker has either closed it or is silent altogether.
    await settledWithin(
      attempt(() => channel.close()),
      Math.min(ms, 1_000),
    )
  }
}
