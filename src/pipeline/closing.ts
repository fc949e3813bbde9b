import { isSettledWithin, quietly } from '../waiting.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Terms } from './terms.js'

/** Longest time for the last save, in milliseconds. */
const SAVE_MS = 4000
/** Longest time for which the lease waits, behind the last save, for the sinks to be closed, in milliseconds. */
const GOODBYE_MS = 4000
/** Longest time for the last save and all closing together, in milliseconds. */
const CLOSE_MS = 5000

/** Saves what is settled and closes all parts, within five seconds; what hangs is let go. Never rejects. */
export async function closeParts<E, M>(
  { source, sink, deadLetter, checkpointStore }: ResolvedOptions<E, M>,
  terms: Terms<E, M>,
): Promise<void> {
  const sinks = Promise.all([
    quietly(() => sink.close({ drainTimeoutMs: 0 })), // what was in flight has had its time
    quietly(() => deadLetter?.sink?.close({ drainTimeoutMs: 0 })), // idempotent, should it be the same
  ])
  const saveAndClose = async (): Promise<void> => {
    await terms.flow.checkpointer.close(SAVE_MS)
    // Whoever gets the lease next publishes at once: nothing of ours may go out behind that. Over a connection of the
    // user's it still can, as nobody but the user ends that: what amqplib holds, copies under known ids.
    if (terms.leave) await terms.leave(await isSettledWithin(sinks, GOODBYE_MS))
    await checkpointStore.close?.()
  }
  const closing = Promise.all([
    sinks,
    quietly(saveAndClose),
    quietly(() => source.close?.()), // not after `reading`: it may be what ends it
    terms.reading,
  ])
  if (await isSettledWithin(closing, CLOSE_MS)) return
  void terms.leave?.(false)
  void quietly(() => checkpointStore.close?.()) // it may hold connections open
}
