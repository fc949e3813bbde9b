import { until } from '../integration/support/waiting.js'
import type { History, TrueChange } from './history.js'
import type { PipelineChild } from './pipeline-child.js'

/** Lag 0 within this after the last healing, beside the backlog. */
const RECOVER_MS = 30_000
/** For each event that is still to come: a busy machine, the smallest batches and windows. */
const MS_PER_EVENT = 60

/** Resolves when the pipeline runs, told by a line behind the first `after`. */
export async function isReady(child: PipelineChild, after: number): Promise<void> {
  const ready = (): boolean => child.log().some(({ kind }, i) => i >= after && kind === 'ready')
  await until(ready, () => 'the pipeline to be ready', { ms: 60_000 })
}

/** Waits until everything is confirmed and the pipeline says that it runs, with nothing in its way. */
export async function recovery(
  child: PipelineChild,
  truth: readonly TrueChange[],
  healedAt: number,
  recoverMs = RECOVER_MS,
): Promise<History['recovery']> {
  const missing = new Set(truth.map(({ token }) => token))
  let seen = 0
  let backlog = 0
  let last = healedAt
  const allConfirmed = (): boolean => {
    const log = child.log()
    for (; seen < log.length; seen++) {
      const line = log[seen]
      if (line?.kind !== 'confirmed' || !missing.delete(line.id)) continue
      if (line.at >= healedAt) backlog += 1
      last = Math.max(last, line.at)
    }
    return missing.size === 0
  }
  allConfirmed()
  const limitMs = recoverMs + (backlog + missing.size) * MS_PER_EVENT
  let state = 'unknown'
  const since = Date.now()
  // Without any progress for so long, the rest need not be waited for.
  while (Date.now() < Math.min(healedAt + limitMs, Math.max(last, since) + recoverMs)) {
    const status = allConfirmed() ? await child.status() : undefined
    state = status ? `${status.state}, lag ${status.lagMs} ms` : `${missing.size} events are not confirmed`
    if (status?.state === 'running' && status.lagMs === 0) {
      const runningSince =
        child
          .log()
          .filter(({ kind }) => kind === 'state')
          .at(-1)?.at ?? healedAt
      return { ms: Math.max(last, runningSince, healedAt) - healedAt, limitMs, backlog, state }
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return { ms: undefined, limitMs, backlog: backlog + missing.size, state }
}
