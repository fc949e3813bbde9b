import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfirmTable } from '../../../src/rabbit/confirm-table.js'

interface Row {
  readonly id: number
}

function tableWithLog() {
  const log: string[] = []
  const table = new ConfirmTable<Row, string>((row, outcome) => {
    log.push(`${row.id}:${outcome.kind === 'returned' ? outcome.info : outcome.kind}`)
  })
  return { log, table, generation: table.begin() }
}

function addRows(table: ConfirmTable<Row, string>, count: number): void {
  for (let id = 1; id <= count; id++) table.add({ id })
}

describe('confirm table', () => {
  it('settles one tag, or all up to a tag', () => {
    const { log, table, generation } = tableWithLog()
    addRows(table, 5)
    expect(table.confirm(generation, 2, false, true)).toBe(1)
    expect(table.confirm(generation, 4, true, true)).toBe(3)
    expect(log).toEqual(['2:ack', '1:ack', '3:ack', '4:ack'])
    expect([table.size, table.nextTag]).toEqual([1, 6])
  })

  it('takes tag 0 with multiple for everything so far', () => {
    const { table, generation } = tableWithLog()
    addRows(table, 3)
    expect(table.confirm(generation, 0, false, true)).toBe(0)
    expect(table.confirm(generation, 0, true, true)).toBe(3)
  })

  it('settles a returned message as returned when its ack comes', () => {
    const { log, table, generation } = tableWithLog()
    addRows(table, 3)
    expect(table.markReturned(generation, 'no route', row => row.id === 2)?.id).toBe(2)
    expect(log).toEqual([])
    table.confirm(generation, 3, true, true)
    expect(log).toEqual(['1:ack', '2:no route', '3:ack'])
  })

  it('gives two returns of equal messages to the first and to the second of them', () => {
    const { table, generation } = tableWithLog()
    addRows(table, 4)
    const even = (row: Row) => row.id % 2 === 0
    expect(table.markReturned(generation, 'a', even)?.id).toBe(2)
    expect(table.markReturned(generation, 'b', even)?.id).toBe(4)
    expect(table.markReturned(generation, 'c', even)).toBeUndefined()
  })

  it('takes the only record without a word for the one that came back', () => {
    const { log, table, generation } = tableWithLog()
    addRows(table, 3)
    expect(table.markReturned(generation, 'changed', () => false)).toBeUndefined()
    // Also when a later one has come back before.
    table.markReturned(generation, 'no route', row => row.id === 3)
    table.confirm(generation, 3, false, true)
    table.confirm(generation, 2, false, true)
    expect(table.markReturned(generation, 'changed', () => false)?.id).toBe(1)
    table.confirm(generation, 1, false, true)
    expect(log).toEqual(['3:no route', '2:ack', '1:changed'])
  })

  it('drops frames of a channel that is gone', () => {
    const { log, table, generation } = tableWithLog()
    addRows(table, 2)
    expect(table.takeUnconfirmed().map(row => row.id)).toEqual([1, 2])
    expect(table.confirm(generation, 2, true, true)).toBe(0)
    const next = table.begin()
    addRows(table, 1)
    expect(table.confirm(generation, 1, false, true)).toBe(0)
    expect(table.markReturned(generation, 'late', () => true)).toBeUndefined()
    expect(table.confirm(next, 1, false, false)).toBe(1)
    expect(log).toEqual(['1:nack'])
  })

  it('does not begin a new channel over unconfirmed records', () => {
    const { table } = tableWithLog()
    addRows(table, 1)
    expect(() => table.begin()).toThrow('Take the unconfirmed records')
  })

  it('keeps no settled records, however many pass through', () => {
    const { table, generation } = tableWithLog()
    for (let id = 1; id <= 100_000; id++) {
      table.add({ id })
      table.confirm(generation, id, false, true)
    }
    expect([table.size, table.nextTag]).toEqual([0, 100_001])
  })

  it('agrees with a plain map under any order of publishing, confirms, returns and loss', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('confirm' as const),
          tag: fc.integer({ min: 1, max: 40 }),
          multiple: fc.boolean(),
          taken: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('return' as const), nth: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const { log, table, generation: first } = tableWithLog()
        let generation = first
        let model = new Map<number, { row: Row; returned: boolean }>()
        let [nextTag, nextId, cursor] = [1, 1, 0]
        const expected: string[] = []
        for (const step of steps) {
          if (step.do === 'add') {
            const row = { id: nextId++ }
            expect(table.nextTag).toBe(nextTag)
            table.add(row)
            model.set(nextTag++, { row, returned: false })
          } else if (step.do === 'confirm') {
            for (const [tag, { row, returned }] of [...model]) {
              if (tag !== step.tag && !(step.multiple && tag < step.tag)) continue
              expected.push(`${row.id}:${!step.taken ? 'nack' : returned ? 'returned' : 'ack'}`)
              model.delete(tag)
            }
            table.confirm(generation, step.tag, step.multiple, step.taken)
          } else if (step.do === 'return') {
            const target = model.size === 1 ? [...model][0] : [...model].filter(([tag]) => tag > cursor)[step.nth]
            const found = table.markReturned(generation, 'returned', row => row === target?.[1].row)
            expect(found).toBe(target?.[1].row)
            if (target) {
              cursor = target[0]
              target[1].returned = true
            }
          } else {
            expect(table.takeUnconfirmed()).toEqual([...model.values()].map(({ row }) => row))
            model = new Map()
            nextTag = 1
            cursor = 0
            generation = table.begin()
          }
          expect(table.size).toBe(model.size)
        }
        expect(log).toEqual(expected)
      }),
    )
  })
})
