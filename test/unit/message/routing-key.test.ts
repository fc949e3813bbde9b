import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePart, routingKeyTemplate } from '../../../src/message/routing-key.js'

const NAMES = ['db', 'coll', 'operation', 'id'] as const
const keyOf = (template: string, values: Record<string, string | undefined>) =>
  routingKeyTemplate(template, NAMES)(name => values[name])

describe('a routing-key template', () => {
  it('puts the parts in their places', () => {
    expect(keyOf('{db}.{coll}.{operation}', { db: 'shop', coll: 'orders', operation: 'insert' })).toBe(
      'shop.orders.insert',
    )
    expect(keyOf('cdc.{coll}#1', { coll: 'orders' })).toBe('cdc.orders#1')
    expect(keyOf('mongo_data', {})).toBe('mongo_data')
    expect(keyOf('', {})).toBe('')
  })

  it.each([
    ['dots and wildcards', 'a.b*c#d', 'a%2Eb%2Ac%23d'],
    ['the escape character', '100%', '100%25'],
    ['control characters', 'a\u0000\n\u007f\u0085', 'a%00%0A%7F%C2%85'],
    ['what is not printable', 'a\u200b\u2028\u202e\ufeffb', 'a%E2%80%8B%E2%80%A8%E2%80%AE%EF%BB%BFb'],
    ['lone surrogates', 'a\ud800', 'a%EF%BF%BD'],
    ['letters, spaces and emoji, which stay', 'заказы 😀', 'заказы 😀'],
    ['an empty part', '', '_'],
  ])('encodes %s', (_, value, encoded) => {
    expect(encodePart(value)).toBe(encoded)
  })

  it('writes `_` for a part that the event lacks', () => {
    expect(keyOf('{db}.{coll}.{operation}', { db: 'shop', operation: 'dropDatabase' })).toBe('shop._.dropDatabase')
  })

  it('is at most 255 bytes, has its number of words and no wildcard, whatever the data', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({ unit: fc.constantFrom('.', '*', '#', '%', '😀', 'ж', '\ud800', '\n'), maxLength: 300 }),
      fc.constant(undefined),
    )
    return fc.assert(
      fc.property(part, part, part, part, (db, coll, operation, id) => {
        const values = { db, coll, operation, id }
        const key = keyOf('{db}.{coll}.{operation}.{id}', values)
        expect(Buffer.byteLength(key)).toBeLessThanOrEqual(255)
        expect(key.split('.')).toHaveLength(4)
        expect(key).not.toMatch(/[*#\p{Cc}\p{Cs}]|\.\.|^\.|\.$/u)
        expect(key.replace(/%[0-9A-F]{2}/g, '')).not.toContain('%')
        expect(keyOf('{db}.{coll}.{operation}.{id}', values)).toBe(key)
      }),
      { numRuns: 500 },
    )
  })

  it('shortens only the long parts, so that bindings on the others go on matching', () => {
    const key = keyOf('{db}.{coll}.{operation}', { db: 'shop', coll: 'x'.repeat(255), operation: 'insert' })
    expect(key).toMatch(/^shop\.x{61}~[\w-]{22}\.insert$/)
  })

  it('tells long parts with one beginning apart', () => {
    const long = (end: string) => keyOf('{id}', { id: 'x'.repeat(300) + end })
    expect(long('a')).not.toBe(long('b'))
    expect(Buffer.byteLength(long('a'))).toBe(255)
  })

  it.each([
    ['{db}.{colection}', 'Expected `routingKey` made of {db}, {coll}, {operation}, {id}, got {colection}'],
    ['{db}.{}', /got \{\}/],
    ['{db', /placeholders in braces/],
    ['db}', /placeholders in braces/],
    ['{{db}}', /placeholders in braces/],
    [`{db}.${'x'.repeat(230)}`, 'Expected `routingKey` to leave 32 of 255 bytes for each placeholder, got 24'],
    ['x'.repeat(256), /255 bytes/],
  ])('is refused when it is made: %s', (template, message) => {
    expect(() => routingKeyTemplate(template, NAMES)).toThrow(message)
    expect(() => routingKeyTemplate(template, NAMES)).toThrow(expect.objectContaining({ code: 'CDC_OPTION_INVALID' }))
  })
})
