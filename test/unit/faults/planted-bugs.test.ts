import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { faults } from '../../faults/faults/index.js'
import { plantedBugs } from '../../faults/planted-bugs.js'

const names = faults.map(({ name }) => name)

it.each(plantedBugs.filter(({ bug }) => bug))('"$name" still has its place in the sources', ({ bug }) => {
  const source = readFileSync(new URL(`../../../${bug?.file}`, import.meta.url), 'utf8')
  expect(source.split(bug?.snippet as string)).toHaveLength(2)
})

it.each(plantedBugs)('"$name" is met by faults that there are', ({ steps }) => {
  for (const { faults: met } of steps) for (const { kind } of met) expect(names).toContain(kind)
})

it('has no two faults of one name', () => {
  expect(new Set(names).size).toBe(names.length)
})
