import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type PlantedBug, pipelineBugs } from './support/schedules/pipeline-bugs.js'
import { play, type Tally } from './support/schedules/play.js'
import { publisherBugs } from './support/schedules/publisher-bugs.js'
import { deeds, type Schedule, schedules } from './support/schedules/schedule.js'

// More schedules: RUNS=300000 SEED=7 npx vitest run --project unit test/unit/pipeline/schedules.test.ts
const { RUNS, SEED } = process.env
const numRuns = Number(RUNS ?? 20_000)
const seed = Number(SEED ?? 1)
/** Not a measure: a property that ran on behind its test would take the clock away from the next one. */
const LONG_MS = 3_600_000
/** In so many schedules each planted bug has to show. */
const SOON = 2_000

afterEach(() => vi.restoreAllMocks())

function property(tally: Tally, bug?: PlantedBug): fc.IAsyncProperty<[Schedule]> {
  return fc.asyncProperty(
    schedules.map(drawn => drawn.within(bug?.within ?? {})),
    async schedule => {
      await play(schedule, tally, bug)
    },
  )
}

test(
  `in ${numRuns} random schedules of faults nothing is lost, and every other promise holds as well`,
  async () => {
    const tally: Tally = new Map()
    await fc.assert(property(tally), { numRuns, seed })
    expect(tally.get('schedule')).toBe(numRuns)
    const kinds = ['read', ...Object.keys(deeds)]
    expect(kinds.filter(kind => (tally.get(kind) ?? 0) < Math.floor(numRuns / 2_000))).toEqual([])
  },
  LONG_MS,
)

describe('the schedules notice when', () => {
  test.each(Object.entries({ ...pipelineBugs, ...publisherBugs }))(
    '%s',
    async (_, bug) => {
      bug.patch?.()
      const found = await fc.check(property(new Map(), bug), { numRuns: SOON, seed, endOnFailure: true })
      expect(String((found.errorInstance as Error | undefined)?.message)).toMatch(bug.noticedBy)
    },
    LONG_MS,
  )
})

test(
  'a schedule that fails shrinks to a few lines that say what happens',
  async () => {
    const bug = pipelineBugs['a nack is taken for an ack']
    const found = await fc.check(property(new Map(), bug), { numRuns: SOON, seed })
    const [schedule] = found.counterexample ?? []
    expect(schedule?.lines.join(', ')).toMatch(/^read a batch of 1 \[a1\], nack (number|together) \d/)
    expect(schedule?.lines.length).toBeLessThan(5)
    expect(fc.stringify(schedule)).toContain('- read a batch of 1 [a1]')
  },
  LONG_MS,
)
