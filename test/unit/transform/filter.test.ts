import { describe, expect, it } from 'vitest'
import { filter } from '../../../src/transform/filter.js'
import type { TransformContext } from '../../../src/types.js'

describe('filter', () => {
  it('passes the same object on, or null', () => {
    const order = { total: 5 }
    expect(filter((o: typeof order) => o.total > 1)(order)).toBe(order)
    expect(filter((o: typeof order) => o.total > 5)(order)).toBeNull()
  })

  it('waits for an asynchronous predicate, and only then returns a promise', async () => {
    const positive = filter(async (n: number) => n > 0)
    await expect(positive(1)).resolves.toBe(1)
    await expect(positive(-1)).resolves.toBeNull()
    expect(filter((n: number) => n > 0)(1)).toBe(1)
  })

  it('gives the context to the predicate', () => {
    const context: TransformContext = { event: {}, id: 'id', signal: new AbortController().signal }
    expect(filter((_: number, c?: TransformContext) => c?.id === 'id')(1, context)).toBe(1)
  })

  it('refuses a predicate that returns undefined, so that a forgotten return drops nothing', async () => {
    const forgotten = (() => {}) as unknown as (n: number) => boolean
    const expected = { name: 'TransformError', code: 'CDC_TRANSFORM_UNDEFINED' }
    expect(() => filter(forgotten)(1)).toThrow(expect.objectContaining(expected))
    await expect(filter(async (n: number) => forgotten(n))(1)).rejects.toMatchObject(expected)
  })

  it('refuses what is no function', () => {
    expect(() => filter('x' as never)).toThrow('Expected `predicate of filter` to be a function, got a string')
  })
})
