import { describe, expect, it } from 'vitest'
import { rename } from '../../../src/transform/rename.js'
import { _id, descriptionAfter, documentAfter, insertOf, updatedAfter, updateOf } from './update-events.js'

describe('rename', () => {
  it('gives fields another name in the same place, in both images and in the shard key', () => {
    const document = { _id, cust: 'Ann', lines: [{ n: 1, sku: 2 }, [{ n: 3 }]], total: 4 }
    const expected = { _id, customer: 'Ann', lines: [{ quantity: 1, sku: 2 }, [{ quantity: 3 }]], total: 4 }
    const key = { 'lines.n': 1, cust: 'Ann', _id }
    const event = insertOf(document, { fullDocumentBeforeChange: document, documentKey: key })
    const renamed = rename({ cust: 'customer', 'lines.n': 'quantity' })(event)
    expect(renamed).toEqual(
      insertOf(expected, {
        fullDocumentBeforeChange: expected,
        documentKey: { 'lines.quantity': 1, customer: 'Ann', _id },
      }),
    )
    expect(Object.keys((renamed as { fullDocument: object }).fullDocument)).toEqual(Object.keys(expected))
  })

  it('renames along the paths of an update and within its values', () => {
    const description = {
      updatedFields: { 'a.b': 1, 'a.b.c': 2, 'l.0.n': 3, 'l.1': { n: 4 }, 'l.2.3.n': 5, other: { b: 6 } },
      removedFields: ['a.b.d', 'l.0.n.x', 'b'],
      truncatedArrays: [{ field: 'a.b.e', newSize: 1 }],
      disambiguatedPaths: { 'a.b.c': ['a', 'b', 'c'], 'l.0.n': ['l', 0, 'n'] },
    }
    expect(descriptionAfter(rename({ 'a.b': 'x', 'l.n': 'quantity' }), description)).toEqual({
      updatedFields: {
        'a.x': 1,
        'a.x.c': 2,
        'l.0.quantity': 3,
        'l.1': { quantity: 4 },
        'l.2.3.quantity': 5,
        other: { b: 6 },
      },
      removedFields: ['a.x.d', 'l.0.quantity.x', 'b'],
      truncatedArrays: [{ field: 'a.x.e', newSize: 1 }],
      disambiguatedPaths: { 'a.x.c': ['a', 'x', 'c'], 'l.0.quantity': ['l', 0, 'quantity'] },
    })
  })

  it('takes paths as the database has them, also below a field that is renamed', () => {
    const step = rename({ a: 'x', 'a.b': 'y' })
    expect(documentAfter(step, { a: { b: 1 } })).toEqual({ x: { y: 1 } })
    expect(updatedAfter(step, { 'a.b': 1, 'a.c': 2 })).toEqual({ 'x.y': 1, 'x.c': 2 })
  })

  it('can swap two names', () => {
    const step = rename({ a: 'b', b: 'a' })
    expect(documentAfter(step, { a: 1, b: 2 })).toEqual({ b: 1, a: 2 })
    expect(updatedAfter(step, { 'a.x': 1, b: 2 })).toEqual({ 'b.x': 1, a: 2 })
  })

  it('takes names with dots, by the server where it tells, else only where no path fits', () => {
    const step = rename([
      [['a.b'], 'x'],
      [['c', 'd.e'], 'y'],
      ['f', 'z'],
    ])
    expect(documentAfter(step, { 'a.b': 1, c: { 'd.e': 2 }, a: { b: 3 } })).toEqual({ x: 1, c: { y: 2 }, a: { b: 3 } })
    expect(updatedAfter(step, { 'a.b.q': 1, 'c.d.e': 2, 'f.g': 3 })).toEqual({ 'x.q': 1, 'c.y': 2, 'z.g': 3 })
    const told = { updatedFields: { 'a.b': 1 }, disambiguatedPaths: { 'a.b': ['a', 'b'] } }
    expect(descriptionAfter(step, told)).toMatchObject(told)
    const name = { updatedFields: { 'a.b': 1 }, disambiguatedPaths: { 'a.b': ['a.b'] } }
    expect(descriptionAfter(step, name)).toMatchObject({ updatedFields: { x: 1 }, disambiguatedPaths: { x: ['x'] } })
  })

  it('takes __proto__ for a name like others', () => {
    const step = rename([
      [['__proto__'], 'x'],
      ['y', '__proto__'],
    ])
    const renamed = documentAfter(step, JSON.parse('{"__proto__":1,"y":{"polluted":2}}')) as object
    expect(JSON.stringify(renamed)).toBe('{"x":1,"__proto__":{"polluted":2}}')
    expect('polluted' in renamed).toBe(false)
    expect(JSON.stringify(updatedAfter(step, { y: 1 }))).toBe('{"__proto__":1}')
  })

  it('fails an event that has the new name already, without quoting it', () => {
    const step = rename({ 'secret-map.old': 'new' })
    const conflict = expect.objectContaining({ code: 'CDC_RENAME_CONFLICT', retryable: false })
    const both = { old: 1, new: 2 }
    expect(() => documentAfter(step, { 'secret-map': both })).toThrow(conflict)
    expect(() => documentAfter(step, { 'secret-map': { new: 2, old: 1 } })).toThrow(conflict)
    expect(() => updatedAfter(step, { 'secret-map': both })).toThrow(conflict)
    expect(() => updatedAfter(step, { 'secret-map.old': 1, 'secret-map.new': 2 })).toThrow(conflict)
    expect(() => updatedAfter(step, { 'secret-map.old.x': 1, 'secret-map.new.y': 2 })).toThrow(conflict)
    expect(() => documentAfter(step, { 'secret-map': both })).not.toThrow('secret-map')
  })

  it('tells a migration from the old to the new name as one change', () => {
    const step = rename({ old: 'new' })
    const migration = { updatedFields: { new: { a: 1 } }, removedFields: ['old', 'x'] }
    expect(descriptionAfter(step, migration)).toMatchObject({ updatedFields: { new: { a: 1 } }, removedFields: ['x'] })
    expect(descriptionAfter(step, { removedFields: ['old', 'new'] })).toMatchObject({ removedFields: ['new'] })
    const part = { updatedFields: { 'new.a': 1 }, removedFields: ['old.b', 'new.c'] }
    expect(descriptionAfter(step, part)).toMatchObject({ updatedFields: { 'new.a': 1 }, removedFields: ['new.c'] })
  })

  it('returns the very event when nothing in it is renamed', () => {
    const events = [
      insertOf({ a: { b: 1 } }),
      updateOf({ updatedFields: { 'a.b': Number.NaN } }),
      { operationType: 'drop' } as never,
    ]
    expect(events.map(event => rename({ b: 'c', 'a.b.c': 'd' })(event) === event)).toEqual([true, true, true])
  })

  it.each<[string, unknown]>([
    ['no rule', {}],
    ['an empty path', { '': 'a' }],
    ['an empty part', { 'a..b': 'c' }],
    ['the id', { _id: 'id' }],
    ['a part of the id', { '_id.a': 'b' }],
    ['a second field for the id', { a: '_id' }],
    ['a position', { 'lines.0': 'first' }],
    ['an empty name', { a: '' }],
    ['a path for a name', { 'a.b': 'a.c' }],
    ['a number for a name', { a: '0' }],
    ['a name that is an operator', { a: '$set' }],
    ['no name', { a: undefined }],
    [
      'one path twice',
      [
        ['a.b', 'c'],
        [['a', 'b'], 'd'],
      ],
    ],
  ])('refuses %s', (_, rules) => {
    expect(() => rename(rules as never)).toThrow(expect.objectContaining({ code: 'CDC_OPTION_INVALID' }))
  })

  it('refuses what is no event', () => {
    expect(() => rename({ a: 'b' })({ a: 1 } as never)).toThrow('Expected rename to get a change event')
  })
})
