import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { pipelineBugs } from './support/schedules/pipeline-bugs.js'
import { publisherBugs } from './support/schedules/publisher-bugs.js'
import { LONG_MS, playRandomSchedules, property, runs, seed } from './support/schedules/random-schedules.js'

/** In so many schedules each planted bug has to show. */
const SOON = 2_000

afterEach(() => vi.restoreAllMocks())

test(
  `in ${runs} random schedules of faults nothing is lost, and every other promise holds as well`,
  () => playRandomSchedules(seed),
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
