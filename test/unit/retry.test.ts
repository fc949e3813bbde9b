import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backOffMs } from '../../src/retry.js'

const bounds = { minDelayMs: 100, maxDelayMs: 30_000 }

describe('the delay before another attempt', () => {
  it('doubles its upper bound up to the longest delay', () => {
    const longest = [1, 2, 3, 4, 9, 10, 50].map(attempt => backOffMs(attempt, () => 1, bounds))
    expect(longest).toEqual([100, 200, 400, 800, 25_600, 30_000, 30_000])
  })

  it('is never under half of the shortest one, and never over the longest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const ms = backOffMs(attempt, () => random, bounds)
        expect(ms).toBeGreaterThanOrEqual(50)
        expect(ms).toBeLessThanOrEqual(30_000)
      }),
    )
  })

  it('is spread evenly from the first attempt on: many that failed together do not try together', () => {
    const delays = Array.from({ length: 50 }, (_, i) => backOffMs(1, () => i / 50, bounds))
    expect(new Set(delays).size).toBe(50)
  })
})
