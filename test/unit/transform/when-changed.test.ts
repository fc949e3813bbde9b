import fc from 'fast-check'
import { DBRef, Int32 } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { whenChanged } from '../../../src/transform/when-changed.js'

type Path = string | readonly string[]

function update(description: object): never {
  const updateDescription = { updatedFields: {}, removedFields: [], truncatedArrays: [], ...description }
  return { operationType: 'update', updateDescription } as never
}

function passes(path: Path, description: object): boolean {
  return whenChanged(path)(update(description)) !== null
}

const setting = (path: string): object => ({ updatedFields: { [path]: 1 } })

describe('whenChanged', () => {
  it.each<[Path, string, boolean]>([
    ['status', 'status', true],
    ['status', 'statusCode', false],
    ['status', 'total', false],
    ['address', 'address.city', true],
    ['address.city', 'address', true],
    ['address.city', 'address.city', true],
    ['address.city', 'address.zip', false],
    ['address.city', 'address.city.name.short', true],
    ['address.city', 'addressBook.city', false],
    ['city', 'address.city', false],
    ['lines', 'lines.3.sku', true],
    ['lines.sku', 'lines.3.sku', true],
    ['lines.sku', 'lines.3.price', false],
    ['lines.sku', 'lines.3', true],
    ['lines.0', 'lines.0.sku', true],
    ['lines.0', 'lines.1.sku', false],
    ['lines.0.sku', 'lines.1.sku', false],
    ['lines.0', 'lines', true],
    ['grid.cell', 'grid.1.2.cell', true],
    ['a.b.c', 'a.b.c', true],
    [['a.b', 'c'], 'a.b.c', true],
    ['constructor', 'constructor', true],
    ['a', '__proto__.x', false],
    ['__proto__.x', '__proto__.x', true],
  ])('watching %o, a change at %s: %s', (path, changed, expected) => {
    const description = { updatedFields: Object.fromEntries([[changed, 1]]) }
    expect(passes(path, description)).toBe(expected)
    expect(passes(path, { removedFields: [changed] })).toBe(expected)
    expect(passes(path, { truncatedArrays: [{ field: changed, newSize: 1 }] })).toBe(expected)
  })

  it('passes when one of several paths was touched', () => {
    expect(whenChanged('a', 'b')(update(setting('b')))).not.toBeNull()
    expect(whenChanged('a', 'b')(update(setting('c')))).toBeNull()
  })

  it.each(['insert', 'replace', 'delete', 'drop', 'invalidate', 'rename'])('passes every %s', operationType => {
    const event = { operationType } as never
    expect(whenChanged('a')(event)).toBe(event)
  })

  it('tells a field whose name holds a dot from a path, where the server says so', () => {
    const dotted = { ...setting('a.b'), disambiguatedPaths: { 'a.b': ['a.b'] } }
    const nested = { ...setting('a.b'), disambiguatedPaths: { 'a.b': ['a', 'b'] } }
    expect([passes('a.b', dotted), passes(['a.b'], dotted)]).toEqual([false, true])
    expect([passes('a.b', nested), passes(['a.b'], nested)]).toEqual([true, false])
  })

  it('tells a field named "0" from an array position, where the server says so', () => {
    const field = { ...setting('a.0.x'), disambiguatedPaths: { 'a.0.x': ['a', '0', 'x'] } }
    const position = { ...setting('a.0.x'), disambiguatedPaths: { 'a.0.x': ['a', 0, 'x'] } }
    const exact = { ...setting('a.0.x'), disambiguatedPaths: { 'a.0.x': ['a', new Int32(0), 'x'] } }
    expect([field, position, exact].map(event => passes('a.x', event))).toEqual([false, true, true])
    expect([field, position, exact].map(event => passes('a.0.x', event))).toEqual([true, true, true])
  })

  it('passes in doubt: a dotted name that the server does not explain', () => {
    expect(passes('a.b', setting('a.b'))).toBe(true)
    expect(passes(['a.b'], setting('a.b'))).toBe(true)
  })

  it('passes an update whose description was removed or cut by a stage of the source', () => {
    expect(whenChanged('a')({ operationType: 'update' } as never)).not.toBeNull()
    const cut = { operationType: 'update', updateDescription: { removedFields: [] } } as never
    expect(whenChanged('a')(cut)).toBe(cut)
  })

  it('sees the fields of an update that the driver takes for a reference', () => {
    const updatedFields = new DBRef('users', 1 as never, undefined, { status: 'paid' })
    expect([passes('status', { updatedFields }), passes('fields', { updatedFields })]).toEqual([true, false])
  })

  it('never filters a change at, in or around a watched path, whatever the names are', () => {
    const names = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(names, names, (base, more) => {
        const [outer, inner] = [base, [...base, ...more]]
        expect(passes(inner, { updatedFields: Object.fromEntries([[outer.join('.'), 1]]) })).toBe(true)
        expect(passes(outer, { updatedFields: Object.fromEntries([[inner.join('.'), 1]]) })).toBe(true)
      }),
    )
  })

  it.each<Path>(['', 'a..b', '.a', 'a.', [], ['']])('refuses %o', path => {
    expect(() => whenChanged(path)).toThrow('Expected `paths of whenChanged` to be dotted paths or arrays of names')
  })

  it('refuses to be made of no path', () => {
    expect(() => (whenChanged as () => unknown)()).toThrow('to be at least one')
  })
})
