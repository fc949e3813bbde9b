import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../faults/options.js'
import { kindsPerRun, planOf } from '../../faults/plan.js'

const kinds = Array.from({ length: 42 }, (_, i) => {
  return { name: `fault ${i}`, side: ['mongodb', 'rabbitmq', 'store', 'process'][i % 4] as string }
})

function drawn(seed: number, minutes = 1): string[] {
  return planOf(seed, minutes, kinds).steps.flatMap(({ faults }) => faults.map(({ kind }) => kind))
}

describe('a plan', () => {
  it('is the same whenever its seed is', () => {
    expect(planOf(7, 1, kinds)).toEqual(planOf(7, 1, kinds))
    expect(planOf(8, 1, kinds)).not.toEqual(planOf(7, 1, kinds))
  })

  it('begins with single faults and ends with pairs, never two of one side', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { steps } = planOf(seed, 1, kinds)
      expect(steps[0]?.faults).toHaveLength(1)
      for (const { faults } of steps) {
        const sides = faults.map(({ kind }) => kinds.find(({ name }) => name === kind)?.side)
        expect(new Set(sides).size).toBe(sides.length)
        expect(sides.includes('mongodb') && sides.includes('store')).toBe(false)
      }
    }
  })

  it('draws as many faults as its length allows, pairs or not', () => {
    for (let seed = 0; seed < 50; seed++) expect(drawn(seed)).toHaveLength(kindsPerRun(1))
  })

  it('leaves no kind out over twenty seeds of a minute, wherever they begin', () => {
    for (const first of [0, 1, 777, 123_456]) {
      const met = new Set(Array.from({ length: 20 }, (_, i) => drawn(first + i)).flat())
      expect(met.size).toBe(kinds.length)
    }
  })
})

describe('the command line', () => {
  it('takes one seed, or several that follow each other', () => {
    expect(parseOptions(['--seed', '7', '--minutes', '5'])).toEqual({ seeds: [7], minutes: 5 })
    expect(parseOptions(['--seed', '7', '--seeds', '3'])).toEqual({ seeds: [7, 8, 9], minutes: 1 })
  })

  it('draws a seed where none is given', () => {
    const { seeds } = parseOptions(['--seeds', '2'])
    expect(seeds).toHaveLength(2)
    expect(seeds[1]).toBe((seeds[0] as number) + 1)
  })

  it('refuses what is no number', () => {
    expect(() => parseOptions(['--seed', 'x'])).toThrow('Expected `--seed` to be a number from 0 to 2147483648, got x')
    expect(() => parseOptions(['--seeds', '0'])).toThrow('`--seeds`')
    expect(() => parseOptions(['--minutes', '0'])).toThrow('`--minutes`')
  })
})
