import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Turns } from '../../../src/pipeline/turns.js'

describe('Turns', () => {
  test('lets items go in the order they entered, whatever the order in which they are ready or leave', () => {
    const plan = fc.array(fc.record({ rank: fc.nat(), leaves: fc.boolean() }), { maxLength: 40 })
    fc.assert(
      fc.property(plan, steps => {
        const turns = new Turns<number>()
        const went: number[] = []
        steps.forEach((_, item) => {
          turns.enter(item)
        })
        const order = steps.map((step, item) => ({ ...step, item })).sort((a, b) => a.rank - b.rank)
        for (const { item, leaves } of order) went.push(...(leaves ? turns.leave(item) : turns.ready(item)))
        expect(went).toEqual(steps.flatMap((step, item) => (step.leaves ? [] : [item])))
      }),
      { numRuns: 500 },
    )
  })

  test('lets nobody go any more once it is closed', () => {
    const turns = new Turns<string>()
    turns.enter('failed')
    turns.enter('later')
    turns.ready('later')
    turns.close()
    expect(turns.leave('failed')).toEqual([])
  })
})
