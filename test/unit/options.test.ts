import { describe, expect, it } from 'vitest'
import { DAY_MS, resolveBackOff } from '../../src/options.js'

describe('the delays between attempts', () => {
  it('raise the longest to the shortest when only that is given', () => {
    expect(resolveBackOff('retry', {})).toEqual({ minDelayMs: 100, maxDelayMs: 30_000 })
    expect(resolveBackOff('retry', { minDelayMs: 60_000 })).toEqual({ minDelayMs: 60_000, maxDelayMs: 60_000 })
  })

  it.each([
    { minDelayMs: 0 },
    { maxDelayMs: 99 },
    { maxDelayMs: DAY_MS + 1 },
    { minDelayMs: null as never },
    { max: 1 },
  ])('refuse %o', options => expect(() => resolveBackOff('retry', options)).toThrowError(/`retry/))
})
