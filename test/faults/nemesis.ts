import { commandLine } from '../../scripts/command-line.mjs'
import type { Executed } from './execute.js'
import { faults } from './faults/index.js'
import { FAULTS_USAGE, parseOptions } from './options.js'
import { planOf } from './plan.js'
import {
  countKinds,
  describeFault,
  describePlan,
  describeSummary,
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
  const { seeds, minutes } = commandLine(FAULTS_USAGE, parseOptions, args)
  say(`seed ${seeds[0]}${seeds.length > 1 ? ` and the ${seeds.length - 1} after it` : ''}, ${minutes} min each`)
  const program = await tools.bundle('child')
  const session = openSession(tools)
  const executed: Executed[] = []
  let failed = 0
  let unchecked = 0
  try {
    for (const seed of seeds) {
      const plan = planOf(seed, minutes, faults)
      if (seeds.length === 1) say(describePlan(plan))
      await runSeed(seed)

      async function runSeed(seed: number): Promise<void> {
        const onFault = (fault: Executed): void => {
          executed.push(fault)
          if (seeds.length === 1 || fault.error !== undefined) say(describeFault(fault))
        }
        try {
          const outcome = await session.run(plan, { program, onFault })
          say(describeVerdict(seed, outcome.verdict, outcome.executed))
          const kept = await keepOrRemove(outcome, plan)
          if (kept === undefined) return
          failed += 1
          say(describeViolations(outcome.verdict))
          say(`  kept in ${kept}`)
        } catch (error) {
          unchecked += 1
          say(`seed ${seed}: could not check: ${error instanceof Error ? error.stack : error}`)
        }
        say(`  again: npm run test:faults -- --seed ${seed} --minutes ${minutes}`)
      }
    }
  } finally {
    await session.end()
  }
  const missed = [...countKinds(faults, executed).values()].filter(count => count === 0).length
  const uncovered = missed > 0 && seeds.length * minutes >= MINUTES_FOR_ALL_KINDS
  const tally = { seeds: seeds.length, failed, unchecked }
  say(describeSummary(tally, faults, executed, seeds.length > 1 || uncovered))
  if (uncovered) say(`incomplete: ${missed} kinds of fault never came about`)
  return failed + unchecked > 0 || uncovered ? 1 : 0
}
