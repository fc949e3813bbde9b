import { describe, expect, it } from 'vitest'
import { onlyNamespaces } from '../../../src/transform/only-namespaces.js'

type Ns = { db: string; coll?: string }
const event = (ns?: Ns, to?: Ns): never => ({ operationType: 'insert', ...(ns && { ns }), ...(to && { to }) }) as never
const passes = (pattern: string | RegExp, ns: Ns): boolean => onlyNamespaces(pattern)(event(ns)) !== null

describe('onlyNamespaces', () => {
  it.each<[string | RegExp, Ns, boolean]>([
    ['shop.orders', { db: 'shop', coll: 'orders' }, true],
    ['shop.orders', { db: 'shop', coll: 'orders2' }, false],
    ['shop.orders', { db: 'shop2', coll: 'orders' }, false],
    ['shop.orders.eu', { db: 'shop', coll: 'orders.eu' }, true],
    ['shop.orders', { db: 'shop', coll: 'orders.eu' }, false],
    ['shop.*', { db: 'shop', coll: 'orders.eu' }, true],
    ['shop.*', { db: 'shop' }, true],
    ['shop.*', { db: 'shopping', coll: 'orders' }, false],
    ['shop.orders', { db: 'shop' }, false],
    ['sh+p.(a)', { db: 'sh+p', coll: '(a)' }, true],
    [/^shop\.order/, { db: 'shop', coll: 'orders' }, true],
    [/^shop\.order/, { db: 'eshop', coll: 'orders' }, false],
    [/^shop$/, { db: 'shop' }, true],
  ])('%s and %o: %s', (pattern, ns, expected) => {
    expect(passes(pattern, ns)).toBe(expected)
  })

  it('takes several patterns, of which one has to fit', () => {
    const only = onlyNamespaces('a.b', 'c.*')
    expect(only(event({ db: 'c', coll: 'x' }))).not.toBeNull()
    expect(only(event({ db: 'd', coll: 'x' }))).toBeNull()
  })

  it('passes a rename when the old or the new name fits', () => {
    const only = onlyNamespaces('shop.orders')
    const [orders, old, other] = ['orders', 'old', 'other'].map(coll => ({ db: 'shop', coll }))
    expect(only(event(orders, old))).not.toBeNull()
    expect(only(event(old, orders))).not.toBeNull()
    expect(only(event(old, other))).toBeNull()
  })

  it('passes events of no namespace, such as invalidate', () => {
    expect(onlyNamespaces('shop.orders')(event())).not.toBeNull()
  })

  it('gives the same answer each time for a RegExp with the flag g', () => {
    const only = onlyNamespaces(/orders/g)
    const answers = [1, 2, 3].map(() => only(event({ db: 'shop', coll: 'orders' })) !== null)
    expect(answers).toEqual([true, true, true])
  })

  it.each(['orders', 'shop.', '.orders', 'shop.ord*', '*.orders', '*', '', 5])(
    'refuses %o, which would match nothing',
    bad => {
      expect(() => onlyNamespaces(bad as string)).toThrow(
        'Expected `patterns of onlyNamespaces` to be "db.collection", "db.*" or a RegExp',
      )
    },
  )

  it('refuses to be made of no pattern', () => {
    expect(() => (onlyNamespaces as () => unknown)()).toThrow('to be at least one')
  })
})
