import { expect, it } from 'vitest'
import { HealthBoard } from '../../src/health-board.js'
import type { PartHealth } from '../../src/types.js'

it('a health board tells changes, and keeps since when it is so', async () => {
  const board = new HealthBoard('connecting')
  const seen: PartHealth[] = []
  const forget = board.listen(health => seen.push(health))
  const { since } = board.current
  board.set('connecting')
  board.set('connecting', 'refused')
  expect(board.current).toEqual({ ok: false, reason: 'connecting', since, error: 'refused' })
  board.set(undefined)
  board.set(undefined)
  expect(seen).toEqual([])
  await Promise.resolve()
  expect(seen.map(({ ok, error }) => [ok, error])).toEqual([
    [false, 'refused'],
    [true, undefined],
  ])
  forget()
  board.set('blocked')
  await Promise.resolve()
  expect(seen).toHaveLength(2)
})
