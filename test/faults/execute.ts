import { sleep } from '../../src/waiting.js'
import { faultOf } from './faults/index.js'
import type { PlannedFault, Step } from './plan.js'
import { randomOf } from './random.js'
import type { Stage } from './stage.js'

/** A fault that was brought about. */
export interface Executed {
  readonly kind: string
  /** Milliseconds after the first one. */
  readonly atMs: number
  readonly tookMs: number
  /** Why it was not, or not wholly. */
  readonly error?: string
}

/** Members and brokers start again within this, on a busy machine too. */
const LONGEST_MS = 120_000

/** Brings the faults of a plan about, one step after the other. */
export async function execute(
  parts: Pick<Stage, 'world' | 'place' | 'child' | 'writers'>,
  steps: readonly Step[],
  onFault: (executed: Executed) => void = () => {},
): Promise<Executed[]> {
  const since = performance.now()
  const executed: Executed[] = []

  async function one({ kind, lengthMs, seed }: PlannedFault): Promise<void> {
    const begun = performance.now()
    const stage = { ...parts, random: randomOf(seed), lengthMs, last: () => sleep(lengthMs) }
    const error = await failureOf(faultOf(kind).run(stage))
    const done: Executed = {
      kind,
      atMs: Math.round(begun - since),
      tookMs: Math.round(performance.now() - begun),
      ...(error !== undefined && { error }),
    }
    executed.push(done)
    onFault(done)
  }

  for (const { pauseMs, faults } of steps) {
    await sleep(pauseMs)
    await Promise.all(faults.map(one))
  }
  return executed
}

async function failureOf(running: Promise<void>): Promise<string | undefined> {
  const end = new AbortController()
  const expired = sleep(LONGEST_MS, end.signal).then(() => `not over within ${LONGEST_MS} ms`)
  try {
    return await Promise.race([running.then(() => undefined), expired])
  } catch (error) {
    return String(error)
  } finally {
    end.abort()
    expired.catch(() => {})
  }
}
