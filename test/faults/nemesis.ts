import type { Executed } from './execute.js'
import { faults } from './faults/index.js'
import { parseOptions } from './options.js'
import { planOf } from './plan.js'
import {
  countKinds,
  describeFault,
  describeKinds,
  describePlan,
  describeVerdict,
  describeViolations,
  say,
} from './report.js'
import { keepOrRemove, openSession } from './session.js'
import type { Tools } from './world.js'

/** From this many minutes on, over all seeds, every kind of fault has to have come about. */
const MINUTES_FOR_ALL_KINDS = 20

/** `npm run test:faults`: faults of every kind in a real deployment under load. Returns the exit code. */
export async function main(args: readonly string[], tools: Tools): Promise<number> {
  const { seeds, minutes } = parseOptions(args)
  say(`seed ${seeds[0]}${seeds.length > 1 ? ` and the ${seeds.length - 1} after it` : ''}, ${minutes} min each`)
  const program = await tools.bundle('child')
  const session = openSession(tools)
  const executed: Executed[] = []
  let failed = 0
  try {
    for (const seed of seeds) {
      const plan = planOf(seed, minutes, faults)
      if (seeds.length === 1) say(describePlan(plan))
      const ok = await runSeed(seed)
      if (!ok) failed += 1

      async function runSeed(seed: number): Promise<boolean> {
        const onFault = (fault: Executed): void => {
          executed.push(fault)
          if (seeds.length === 1 || fault.error !== undefined) say(describeFault(fault))
        }
        try {
          const outcome = await session.run(plan, { program, onFault })
          say(describeVerdict(seed, outcome.verdict, outcome.executed))
          const kept = await keepOrRemove(outcome, plan)
          if (kept === undefined) return true
          say(describeViolations(outcome.verdict))
          say(`  kept in ${kept}`)
        } catch (error) {
          say(`seed ${seed}: FAILED, ${error instanceof Error ? error.stack : error}`)
        }
        say(`  again: npm run test:faults -- --seed ${seed} --minutes ${minutes}`)
        return false
      }
    }
  } finally {
    await session.end()
  }
  const counts = countKinds(faults, executed)
  const missed = [...counts.values()].filter(count => count === 0).length
  const uncovered = missed > 0 && seeds.length * minutes >= MINUTES_FOR_ALL_KINDS
  say(
    `${seeds.length - failed} of ${seeds.length} seeds ok, ${executed.length} faults of ${counts.size - missed} kinds`,
  )
  say(describeKinds(counts))
  if (uncovered) say(`FAILED: ${missed} kinds of fault never came about`)
  return failed > 0 || uncovered ? 1 : 0
}
