import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Lanes } from '../../../src/pipeline/lanes.js'

interface Item {
  readonly at: number
  readonly key: string | undefined
}

/** The model: an item may start when nothing unfinished before it stands in its way. */
function mayStart(item: Item, unfinished: readonly Item[], exclusive: boolean): boolean {
  return unfinished.every(other => {
    if (other.at >= item.at) return true
    if (item.key === undefined || other.key === undefined) return false
    return !exclusive || other.key !== item.key
  })
}

const key = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined, freq: 5 })
const command = fc.oneof(
  fc.record({ do: fc.constant('add' as const), key }),
  fc.record({ do: fc.constant('finish' as const), pick: fc.nat() }),
)

describe('Lanes', () => {
  test.each([true, false])(
    'starts exactly what the rules allow, at once and in order (exclusive: %s)',
    exclusive => {
      fc.assert(
        fc.property(fc.array(command, { maxLength: 80 }), commands => {
          const lanes = new Lanes<Item>({ exclusive })
          let unfinished: Item[] = []
          const started = new Set<Item>()
          const take = (items: readonly Item[]): void => {
            for (const item of items) {
              expect(started.has(item)).toBe(false)
              started.add(item)
            }
            expect(items.map(item => item.at)).toEqual(items.map(item => item.at).sort((a, b) => a - b))
            const allowed = unfinished.filter(item => mayStart(item, unfinished, exclusive))
            expect([...started].filter(item => unfinished.includes(item)).sort((a, b) => a.at - b.at)).toEqual(allowed)
          }
          const finish = (item: Item): void => {
            unfinished = unfinished.filter(other => other !== item)
            take(lanes.finish(item))
          }
          for (const [at, step] of commands.entries()) {
            const running = unfinished.filter(item => started.has(item))
            if (step.do === 'add') {
              const item = { at, key: step.key }
              unfinished.push(item)
              take(lanes.add(item))
            } else if (running.length > 0) finish(running[step.pick % running.length]!)
          }
          while (unfinished.length > 0) finish(unfinished.find(item => started.has(item))!) // everything starts in the end
        }),
        { numRuns: 800 },
      )
    },
    30_000,
  )

  test('lets nothing after a barrier start until the barrier finished', () => {
    const lanes = new Lanes<Item>({ exclusive: true })
    const [a, drop, b, a2] = [
      { at: 0, key: 'a' },
      { at: 1, key: undefined },
      { at: 2, key: 'b' },
      { at: 3, key: 'a' },
    ] as const
    expect(lanes.add(a)).toEqual([a])
    expect(lanes.add(drop)).toEqual([])
    expect(lanes.add(b)).toEqual([])
    expect(lanes.add(a2)).toEqual([])
    expect(lanes.finish(a)).toEqual([drop])
    expect(lanes.finish(drop)).toEqual([b, a2])
  })

  test('takes names of object properties as keys like any other', () => {
    const lanes = new Lanes<Item>({ exclusive: true })
    const first = { at: 0, key: '__proto__' }
    const second = { at: 1, key: '__proto__' }
    expect(lanes.add(first)).toEqual([first])
    expect(lanes.add({ at: 2, key: 'constructor' })).toHaveLength(1)
    expect(lanes.add(second)).toEqual([])
    expect(lanes.finish(first)).toEqual([second])
  })
})
