import { settledWithin, sleep } from '../../src/waiting.js'
import { now } from '../integration/support/truth.js'
import { checkHistory, type Verdict } from './check-history.js'
import { STOP_MS } from './child-options.js'
import { drain } from './drain.js'
import { type Executed, execute } from './execute.js'
import { heal } from './heal.js'
import type { History } from './history.js'
import { createPipelineChild } from './pipeline-child.js'
import { leavePlace, makePlace } from './place.js'
import type { Plan } from './plan.js'
import { isReady, recovery } from './recovery.js'
import { readTruth } from './truth.js'
import type { World } from './world.js'
import { startWriters } from './writers.js'

/** How a plan went. */
export interface Outcome {
  readonly verdict: Verdict
  readonly executed: readonly Executed[]
  readonly history: History
  /** Where the log and the output of the pipeline's process lie; the caller removes it. */
  readonly folder: string
}

/** What is to be ended and removed should the run be interrupted. */
export interface Begun {
  readonly folder: string
  readonly end: () => Promise<void>
}

export interface RunOptions {
  /** The bundled child. */
  readonly program: string
  /** How long recovery may take, beside the backlog. */
  readonly recoverMs?: number
  /** Whether a clean stop and one more start end the run. @default true */
  readonly startAgain?: boolean
  readonly onFault?: (executed: Executed) => void
  /** Told once: what has to be ended should the run be interrupted. */
  readonly onBegin?: (begun: Begun) => void
}

const WARM_UP_MS = 1_500
/** Nothing should come: for so long it is waited for. */
const QUIET_MS = 1_500

/** Warm up, faults, heal, recover, stop and start once more, drain, judge. */
export async function runPlan(world: World, plan: Plan, options: RunOptions): Promise<Outcome> {
  const { settings, seed } = plan
  const place = await makePlace(world, plan)
  const child = createPipelineChild(options.program, place)
  options.onBegin?.({ folder: place.folder, end: () => child.end() })
  try {
    const from = await now(world.admin)
    child.start()
    await isReady(child, 0)
    const writers = startWriters(world, place.database, seed, settings.writesPerSecond)
    await sleep(WARM_UP_MS)
    const executed = await execute({ world, place, child, writers }, plan.steps, options.onFault)
    await Promise.all([writers.stop(), heal(world, child, executed)])
    const healedAt = Date.now()
    const truth = await readTruth(world.admin, place.database, from)
    const recovered = await recovery(child, truth, healedAt, options.recoverMs)
    if (recovered.ms !== undefined && options.startAgain !== false) {
      await child.terminate()
      child.mark('final')
      const lines = child.log().length
      child.start()
      await isReady(child, lines)
      await sleep(QUIET_MS)
      await child.terminate()
    }
    await child.end()
    const history: History = {
      truth,
      acknowledged: writers.acknowledged,
      arrivals: await drain(world.vhost.url, place.child.queue),
      letters: await drain(world.vhost.url, place.child.deadLetters),
      log: child.log(),
      limits: { ...settings, stopMs: STOP_MS },
      recovery: recovered,
      output: child.output(),
      secrets: world.secrets,
    }
    return { verdict: checkHistory(history), executed, history, folder: place.folder }
  } finally {
    await child.end()
    await settledWithin(leavePlace(world, place), 60_000)
  }
}
