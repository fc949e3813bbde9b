import { quietly, settledWithin } from '../waiting.js'
import type { Checkpointer } from './checkpointer.js'
import type { ResolvedOptions } from './pipeline-options.js'

/** Longest time for the last save, in milliseconds. */
const SAVE_MS = 4000
/** Longest time for the last save and all closing together, in milliseconds. */
const CLOSE_MS = 5000

/** Saves what is settled and closes all parts, within five seconds; what hangs is let go. Never rejects. */
export async function closeParts<E, M>(
  { source, sink, deadLetter, checkpointStore }: ResolvedOptions<E, M>,
  checkpointer: Checkpointer,
  reading: Promise<void>,
): Promise<void> {
  const saveAndClose = async (): Promise<void> => {
    await checkpointer.close(SAVE_MS)
    await checkpointStore.close?.()
  }
  const closing = Promise.all([
    quietly(saveAndClose),
    quietly(() => sink.close({ drainTimeoutMs: 0 })), // what was in flight has had its time
    quietly(() => deadLetter?.sink?.close({ drainTimeoutMs: 0 })), // idempotent, should it be the same
    quietly(() => source.close?.()), // not after `reading`: it may be what ends it
    reading,
  ])
  await settledWithin(closing, CLOSE_MS)
}
