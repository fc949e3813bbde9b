import { describe, expect, it } from 'vitest'
import { omit } from '../../../src/transform/omit.js'
import { _id, descriptionAfter, documentAfter, insertOf, updateOf } from './update-events.js'

describe('omit', () => {
  it('leaves the fields out of both images, of the update and of the shard key', () => {
    const document = { _id, card: { number: 1, exp: 2 }, lines: [{ cost: 1, sku: 2 }], note: 'x' }
    const expected = { _id, card: { exp: 2 }, lines: [{ sku: 2 }] }
    const event = updateOf(
      {
        updatedFields: { 'card.number': 1, 'lines.1.cost': 2, 'lines.0': { cost: 1, sku: 2 } },
        removedFields: ['note', 'x'],
      },
      { fullDocument: document, fullDocumentBeforeChange: document, documentKey: { _id, note: 'x' } },
    )
    expect(omit('card.number', ['lines', 'cost'], 'note')(event)).toEqual(
      updateOf(
        { updatedFields: { 'lines.0': { sku: 2 } }, removedFields: ['x'] },
        { fullDocument: expected, fullDocumentBeforeChange: expected },
      ),
    )
  })

  it('returns the very event when there is nothing to leave out', () => {
    const event = insertOf({ _id, a: 1 })
    expect(omit('b', 'a.c.d', 'a')(insertOf({ _id }))).toEqual(insertOf({ _id }))
    expect(omit('b')(event)).toBe(event)
  })

  it('takes a path within another one', () => {
    expect(documentAfter(omit('a', 'a.b'), { a: { b: 1, c: 2 }, d: 3 })).toEqual({ d: 3 })
    expect(documentAfter(omit('a.b', 'a'), { a: { b: 1, c: 2 }, d: 3 })).toEqual({ d: 3 })
  })

  it('leaves the names of removed fields out too', () => {
    const description = {
      removedFields: ['m.ann@b.c', 'm', 'n'],
      disambiguatedPaths: { 'm.ann@b.c': ['m', 'ann@b.c'] },
    }
    expect(descriptionAfter(omit('m'), description)).toMatchObject({ removedFields: ['n'], disambiguatedPaths: {} })
  })

  it('explains why the id can not be left out', () => {
    expect(() => omit('a', '_id')).toThrow('fields other than `_id`, which identifies the document')
  })

  it.each([[''], ['a..b'], [[]], [['']], ['_id.x']])('refuses the path %o', path => {
    expect(() => omit(path)).toThrow('Expected `paths of omit` to be')
  })

  it('refuses to be made of no path, and what is no event', () => {
    expect(() => (omit as () => unknown)()).toThrow('to be at least one')
    expect(() => omit('a')({ a: 1 } as never)).toThrow('Expected omit to get a change event')
  })
})
