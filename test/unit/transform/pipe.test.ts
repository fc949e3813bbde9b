import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needsExactTypes, withNeeds } from '../../../src/needs.js'
import { filter } from '../../../src/transform/filter.js'
import { map } from '../../../src/transform/map.js'
import { pipe } from '../../../src/transform/pipe.js'
import type { Transform, TransformContext } from '../../../src/types.js'

const double = (n: number): number => n * 2
const plusOne = (n: number): number => n + 1
const later = <T>(value: T, ms = 0): Promise<T> => new Promise(resolve => setTimeout(resolve, ms, value))

function context(signal = new AbortController().signal): TransformContext {
  return { event: {}, id: 'id', signal }
}

describe('pipe', () => {
  it('runs its steps from left to right', () => {
    expect(pipe(double, plusOne)(5)).toBe(11)
    expect(pipe(plusOne, double)(5)).toBe(12)
  })

  it('of one step behaves as that step', async () => {
    expect(pipe(double)(2)).toBe(4)
    expect(pipe((_: number) => null)(2)).toBeNull()
    expect(pipe((n: number) => [n, n])(2)).toEqual([2, 2])
    await expect(pipe(async (n: number) => n)(2)).resolves.toBe(2)
  })

  it('takes ten steps, and a pipe as a step', () => {
    const five = pipe(plusOne, plusOne, plusOne, plusOne, plusOne)
    expect(pipe(five, five)(0)).toBe(10)
    const ten = pipe(plusOne, plusOne, plusOne, plusOne, plusOne, plusOne, plusOne, plusOne, plusOne, plusOne)
    expect(ten(0)).toBe(10)
  })

  it('hands the items of an array to the next step one at a time', () => {
    const seen: unknown[] = []
    const steps = pipe(
      (n: number) => [n, n + 1],
      n => {
        seen.push(n)
        return n * 10
      },
    )
    expect(steps(1)).toEqual([10, 20])
    expect(seen).toEqual([1, 2])
  })

  it('flattens arrays of several steps by one level each', () => {
    const twice = (n: number): number[] => [n, n + 100]
    expect(pipe(twice, twice)(1)).toEqual([1, 101, 101, 201])
    expect(
      pipe(
        (n: number) => [[n], [n, n]],
        pair => pair.length,
      )(1),
    ).toEqual([1, 2])
  })

  it('keeps an array also when one item or none is left', () => {
    const odd = filter((n: number) => n % 2 === 1)
    expect(pipe((n: number) => [n, n + 1], odd)(1)).toEqual([1])
    expect(pipe((n: number) => [n, n + 2], odd)(2)).toEqual([])
  })

  it('stops on null, alone or within an array', () => {
    const called: number[] = []
    const note = (n: number): number => {
      called.push(n)
      return n
    }
    expect(pipe((n: number) => (n > 5 ? n : null), note)(1)).toBeNull()
    expect(pipe((n: number) => [n, null, n + 1], note)(1)).toEqual([1, 2])
    expect(called).toEqual([1, 2])
  })

  it('passes 0, false and empty strings on', () => {
    expect(pipe((_: number) => 0, plusOne)(9)).toBe(1)
    expect(pipe((_: number) => false, String)(9)).toBe('false')
    expect(pipe((_: number) => '', String)(9)).toBe('')
  })

  it('returns a promise only if a step did', async () => {
    const maybe = pipe((n: number) => (n > 5 ? later(n) : n), double)
    expect(maybe(1)).toBe(2)
    const result = maybe(6)
    expect(result).toBeInstanceOf(Promise)
    await expect(result).resolves.toBe(12)
    expect(
      pipe(
        (_: number) => null as number | null,
        async n => n,
      )(1),
    ).toBeNull()
  })

  it('keeps the order of the items when later ones would resolve first', async () => {
    const slowFirst = pipe(
      (_: number) => [3, 2, 1],
      async n => later([n, -n], n * 5),
      n => `#${n}`,
    )
    await expect(slowFirst(0)).resolves.toEqual(['#3', '#-3', '#2', '#-2', '#1', '#-1'])
  })

  it('keeps the order when some items are synchronous and others are not', async () => {
    const mixed = pipe(
      (_: number) => [1, 2, 3, 4],
      n => (n % 2 === 0 ? later(n, 5) : n),
    )
    await expect(mixed(0)).resolves.toEqual([1, 2, 3, 4])
  })

  it('gives the same outputs for synchronous and asynchronous steps, whatever they return', async () => {
    const outputs = fc.oneof(fc.integer(), fc.constant(null), fc.array(fc.option(fc.integer()), { maxLength: 4 }))
    const step = fc.func(outputs)
    await fc.assert(
      fc.asyncProperty(fc.integer(), step, step, fc.boolean(), fc.boolean(), async (input, f, g, fLater, gLater) => {
        const run = (first: boolean, second: boolean): unknown =>
          pipe(
            (n: number) => (first ? later(f(n)) : f(n)),
            n => (second ? later(g(n)) : g(n)),
          )(input)
        expect(await run(fLater, gLater)).toEqual(run(false, false))
      }),
      { numRuns: 100 },
    )
  })

  it('hands the context to every step', async () => {
    const seen: unknown[] = []
    const note = (n: number, given?: TransformContext): number[] => {
      seen.push(given)
      return [n, n]
    }
    const given = context()
    await pipe(note, async (n, c) => note(n, c), note)(1, given)
    expect(seen).toEqual(Array(7).fill(given))
  })

  it('lets a throw and a rejection through as they are', async () => {
    const error = new Error('no')
    const throws = pipe(plusOne, (_: number): number => {
      throw error
    })
    expect(() => throws(1)).toThrow(error)
    await expect(pipe((_: number) => Promise.reject(error) as Promise<number>, plusOne)(1)).rejects.toBe(error)
  })

  it('refuses undefined and names the step that returned it', async () => {
    function toOrder(_: number): number {
      return undefined as never
    }
    const expected = { name: 'TransformError', code: 'CDC_TRANSFORM_UNDEFINED' }
    expect(() => pipe(plusOne, toOrder)(1)).toThrow(
      expect.objectContaining({ ...expected, message: expect.stringContaining('Step 2 of 2 of the pipe, `toOrder`') }),
    )
    await expect(pipe(async (n: number) => n, toOrder)(1)).rejects.toMatchObject(expected)
    expect(() => pipe((n: number) => [n, undefined as never], plusOne)(1)).toThrow(
      expect.objectContaining({ ...expected, message: expect.stringContaining('`undefined` at index 1') }),
    )
    expect(() => pipe((_: number) => undefined as never)(1)).toThrow(
      expect.objectContaining({ ...expected, message: expect.stringContaining('anonymous') }),
    )
  })

  it('refuses undefined also in the array of its last step', () => {
    expect(() => pipe(plusOne, n => [n, undefined as never])(1)).toThrow(
      expect.objectContaining({ code: 'CDC_TRANSFORM_UNDEFINED' }),
    )
  })

  it('calls no further step once the context is aborted', async () => {
    const controller = new AbortController()
    const called: number[] = []
    const steps = pipe(
      (_: number) => [1, 2, 3],
      async n => {
        called.push(n)
        controller.abort(new Error('out of time'))
        return n
      },
    )
    await expect(steps(0, context(controller.signal))).rejects.toThrow('out of time')
    expect(called).toEqual([1])
  })

  it('refuses to be made of nothing, or of something that is no function', () => {
    const make = pipe as unknown as (...steps: unknown[]) => unknown
    expect(() => make()).toThrow(expect.objectContaining({ name: 'OptionsError', code: 'CDC_OPTION_INVALID' }))
    expect(() => make(double, 'x')).toThrow('Expected `step 2 of pipe` to be a function')
  })

  it('needs exact types if one of its steps does', () => {
    const exact = withNeeds((n: number) => n, { exactTypes: true })
    expect(needsExactTypes in pipe(plusOne, exact)).toBe(true)
    expect(needsExactTypes in pipe(pipe(exact), plusOne)).toBe(true)
    expect(needsExactTypes in pipe(plusOne)).toBe(false)
  })

  it('carries 100,000 items without a deep stack', async () => {
    const many: Transform<number, number> = pipe(
      (n: number) => Array.from({ length: n }, (_, i) => i),
      n => (n === 5 ? later(n) : n),
    )
    await expect(many(100_000)).resolves.toHaveLength(100_000)
  })
})

describe('map', () => {
  it('gives input and context to its function and returns what that returns', () => {
    const given = context()
    expect(map((n: number, c?: TransformContext) => [n, c?.id ?? ''])(1, given)).toEqual([1, 'id'])
  })

  it('refuses what is no function', () => {
    expect(() => map(5 as never)).toThrow('Expected `fn of map` to be a function, got 5')
  })
})
