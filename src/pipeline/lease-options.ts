import { OptionsError } from '../errors.js'
import { assertInteger, assertKnown } from '../options.js'
import type { CheckpointStore } from '../types.js'

/** One instance of several publishes; the others stand by. */
export interface LeaseOptions {
  /**
   * How long the lease is good for after each renewal, which comes each third of it; in milliseconds, from 1,000 to
   * 600,000. Too short: an election of MongoDB (10 s by default), or a pause of this process, of more than half of it
   * ends the lease, and everything in flight is sent again; too long: after a crash nobody publishes for that long.
   * 30,000 is a good value.
   */
  readonly ttlMs: number
}

/** @throws OptionsError also for a store that gives no leases */
export function resolveLease(lease: LeaseOptions | undefined, store: CheckpointStore): LeaseOptions | undefined {
  if (lease === undefined) return undefined
  assertKnown('`lease`', lease, ['ttlMs'])
  const ttlMs = assertInteger('lease.ttlMs', lease.ttlMs, 1_000, 600_000)
  if (typeof store.acquire === 'function') return { ttlMs }
  const text = 'Expected `checkpointStore` to give leases for `lease`, got one without `acquire`'
  throw new OptionsError('CDC_OPTION_INVALID', text, { hint: 'mongoCheckpointStore does' })
}
