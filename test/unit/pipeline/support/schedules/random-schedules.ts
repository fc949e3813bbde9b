import fc from 'fast-check'
import { expect } from 'vitest'
import type { PlantedBug } from './pipeline-bugs.js'
import { play, type Tally } from './play.js'
import { deeds, type Schedule, schedules } from './schedule.js'

// More of them, or others: RUNS=300000 SEED=7 npx vitest run --project unit test/unit/pipeline/schedules
const { RUNS, SEED = '1' } = process.env
/** Two files play this many each, so that two cores share the work. */
export const runs: number = Number(RUNS ?? 10_000)
export const seed: number = Number(SEED)
/** Not a measure: a property that ran on behind its test would take the clock away from the next one. */
export const LONG_MS = 3_600_000

/** That a schedule ends with every promise kept. */
export function property(tally: Tally, bug?: PlantedBug): fc.IAsyncProperty<[Schedule]> {
  return fc.asyncProperty(
    schedules.map(drawn => drawn.within(bug?.within ?? {})),
    async schedule => {
      await play(schedule, tally, bug)
    },
  )
}

/** Plays `runs` schedules; rejects with the first that breaks a promise, made small, or if a kind of fault was rare. */
export async function playRandomSchedules(seed: number): Promise<void> {
  const tally: Tally = new Map()
  await fc.assert(property(tally), { numRuns: runs, seed })
  expect(tally.get('schedule')).toBe(runs)
  const kinds = ['read', ...Object.keys(deeds)]
  expect(kinds.filter(kind => (tally.get(kind) ?? 0) < Math.floor(runs / 2_000))).toEqual([])
}
