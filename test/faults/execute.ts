import { sleep } from '../../src/waiting.js'
import { until } from '../integration/support/waiting.js'
import { faultOf } from './faults/index.js'
import type { PipelineChild } from './pipeline-child.js'
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
const FLOWING_MS = 5_000

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
    await Promise.all([sleep(pauseMs), isFlowing(parts.child)])
    await Promise.all(faults.map(one))
  }
  return executed
}

/** So that a fault meets a pipeline at work; not for long, as the one before may have left it broken. */
async function isFlowing(child: PipelineChild): Promise<void> {
  const lines = child.log().length
  const flows = (): boolean => child.log().some(({ kind }, i) => i >= lines && kind === 'confirmed')
  await until(flows, () => 'a confirm', { ms: FLOWING_MS }).catch(() => {})
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
