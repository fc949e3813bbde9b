import { describe, expect, it, vi } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { needsOf } from '../../../src/needs.js'
import { pipe } from '../../../src/transform/pipe.js'
import { when } from '../../../src/transform/when.js'
import type { TransformContext } from '../../../src/types.js'

const isBig = (n: number): boolean => n > 10

describe('when', () => {
  it('sends each input one way or the other, at once', () => {
    const step = when(
      isBig,
      n => `big ${n}`,
      n => [n],
    )
    expect(step(11)).toBe('big 11')
    expect(step(1)).toEqual([1])
  })

  it('passes the others unchanged where nothing is said about them', () => {
    const input = { n: 1 }
    expect(
      when(
        ({ n }: typeof input) => n > 1,
        () => null,
      )(input),
    ).toBe(input)
  })

  it('waits for an asynchronous predicate, and for an asynchronous way', async () => {
    await expect(
      when(
        async (n: number) => isBig(n),
        n => n * 2,
      )(11),
    ).resolves.toBe(22)
    await expect(when(isBig, async n => n * 2)(11)).resolves.toBe(22)
    expect(when(isBig, async n => n * 2)(1)).toBe(1)
  })

  it('gives the context to all three', () => {
    const context: TransformContext = { event: {}, id: 'id', signal: new AbortController().signal }
    const [predicate, yes, no] = [vi.fn(isBig), vi.fn(() => 1), vi.fn(() => 2)]
    when(predicate, yes, no)(11, context)
    when(predicate, yes, no)(1, context)
    for (const way of [predicate, yes, no]) expect(way).toHaveBeenLastCalledWith(expect.any(Number), context)
  })

  it('filters and fans out as its ways do', () => {
    const step = pipe(
      (n: number) => [n, n + 10],
      when(
        isBig,
        () => null,
        n => [n, n],
      ),
    )
    expect(step(5)).toEqual([5, 5])
  })

  it('tells the source what a shape in one of its ways needs', () => {
    const canonical = changeEventMessage({ ejson: 'canonical' })
    const anything = (): boolean => true
    expect(needsOf(when(anything, canonical)).exactTypes).toBe(true)
    expect(needsOf(when(anything, changeEventMessage(), canonical)).exactTypes).toBe(true)
    expect(needsOf(when(anything, changeEventMessage())).exactTypes).toBe(false)
  })

  it('refuses a predicate that returns undefined, and what is no function', () => {
    const forgotten = (() => {}) as unknown as (n: number) => boolean
    expect(() => when(forgotten, n => n)(1)).toThrow(expect.objectContaining({ code: 'CDC_TRANSFORM_UNDEFINED' }))
    expect(() => when(1 as never, String)).toThrow('Expected `predicate of when` to be a function')
    expect(() => when(isBig, 1 as never)).toThrow('Expected `transform of when` to be a function')
    expect(() => when(isBig, String, 1 as never)).toThrow('Expected `otherwise of when` to be a function')
  })
})
