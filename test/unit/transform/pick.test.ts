import { ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { pick } from '../../../src/transform/pick.js'
import { _id, descriptionAfter, documentAfter, insertOf, updatedAfter, updateOf } from './update-events.js'

describe('pick', () => {
  it('keeps the fields and the id, in both images', () => {
    const document = { _id, sku: 1, price: { net: 2, gross: 3 }, secret: 4 }
    const expected = { _id, sku: 1, price: { net: 2 } }
    const event = insertOf(document, { fullDocumentBeforeChange: document })
    expect(pick('sku', 'price.net')(event)).toEqual(insertOf(expected, { fullDocumentBeforeChange: expected }))
  })

  it('keeps only the parts of an update that touch the fields', () => {
    const description = {
      updatedFields: {
        sku: 1,
        'price.net': 2,
        'price.gross': 3,
        price2: { net: 1 },
        'sku.a': 4,
        'lines.2.n': 5,
        'tags.0': 6,
      },
      removedFields: ['secret', 'price', 'price.net.x'],
      truncatedArrays: [
        { field: 'tags', newSize: 1 },
        { field: 'lines', newSize: 1 },
      ],
      disambiguatedPaths: { 'sku.a': ['sku', 'a'], 'tags.0': ['tags', 0] },
    }
    expect(descriptionAfter(pick('sku', 'price.net', 'lines.n'), description)).toEqual({
      updatedFields: { sku: 1, 'price.net': 2, 'sku.a': 4, 'lines.2.n': 5 },
      removedFields: ['price', 'price.net.x'],
      truncatedArrays: [{ field: 'lines', newSize: 1 }],
      disambiguatedPaths: { 'sku.a': ['sku', 'a'] },
    })
  })

  it('keeps of a document that is set as a whole what is picked of it', () => {
    expect(updatedAfter(pick('price.net'), { price: { net: 1, gross: 2 } })).toEqual({ price: { net: 1 } })
    expect(updatedAfter(pick('lines.n'), { 'lines.0': { n: 1, x: 2 }, lines2: 1 })).toEqual({ 'lines.0': { n: 1 } })
  })

  it('lets an update of other fields pass, with nothing in it', () => {
    const event = updateOf({ updatedFields: { a: 1 }, removedFields: ['b'] })
    expect(pick('c')(event)).toEqual(updateOf({}))
  })

  it('tells that a picked field is gone when a value without fields took the place of its document', () => {
    expect(descriptionAfter(pick('price.net'), { updatedFields: { price: 'free' } })).toMatchObject({
      updatedFields: {},
      removedFields: ['price'],
    })
    expect(documentAfter(pick('price.net'), { price: 'free', lines: [] })).toEqual({})
  })

  it('keeps the positions of elements of which nothing is picked', () => {
    const document = { lines: [{ n: 1, x: 2 }, 'scalar', { x: 3 }, [{ n: 4 }]] }
    expect(documentAfter(pick('lines.n'), document)).toEqual({ lines: [{ n: 1 }, null, {}, [{ n: 4 }]] })
    expect(documentAfter(pick('tags.1'), { tags: ['a', 'b', 'c'] })).toEqual({ tags: [null, 'b', null] })
    expect(updatedAfter(pick('tags.1'), { 'tags.1': 'b', 'tags.2': 'c' })).toEqual({ 'tags.1': 'b' })
  })

  it('takes names with dots, and keeps both readings where the server does not tell', () => {
    const step = pick(['a.b', 'c'], '__proto__')
    expect(documentAfter(step, { 'a.b': { c: 1, d: 2 }, a: { b: { c: 3 } } })).toEqual({ 'a.b': { c: 1 } })
    expect(updatedAfter(step, { 'a.b.c': 1 })).toEqual({ 'a.b.c': 1 })
    const nested = { updatedFields: { 'a.b.c': 1 }, disambiguatedPaths: { 'a.b.c': ['a', 'b', 'c'] } }
    expect(descriptionAfter(step, nested)).toMatchObject({ updatedFields: {}, disambiguatedPaths: {} })
    const picked = documentAfter(step, JSON.parse('{"__proto__":1,"x":2}'))
    expect(JSON.stringify(picked)).toBe('{"__proto__":1}')
  })

  it('keeps the id, and of the shard key what is picked', () => {
    const event = insertOf({ _id }, { documentKey: { email: 's', region: 1, _id: new ObjectId(_id.id) } })
    expect(pick('region')(event)).toHaveProperty('documentKey', { region: 1, _id })
  })

  it('returns the very event when all of it was picked', () => {
    const events = [
      insertOf({ _id, a: 1 }),
      updateOf({ updatedFields: { 'a.b': 1 } }),
      { operationType: 'drop' } as never,
    ]
    expect(events.map(event => pick('a')(event) === event)).toEqual([true, true, true])
  })

  it.each([[''], ['a..b'], [[]], [['']]])('refuses the path %o', path => {
    expect(() => pick(path)).toThrow('Expected `paths of pick` to be dotted paths or arrays of names')
  })

  it('refuses to be made of no path, and what is no event', () => {
    expect(() => (pick as () => unknown)()).toThrow('to be at least one')
    expect(() => pick('a')({ a: 1 } as never)).toThrow('Expected pick to get a change event')
  })
})
