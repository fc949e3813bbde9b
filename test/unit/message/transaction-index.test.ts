import { describe, expect, it } from 'vitest'
import { transactionIndexOf } from '../../../src/message/transaction-index.js'

/** The beginning of a token of MongoDB 6, whose third integer is the place; behind it come more fields. */
const token = (place: string): string => `8265E0C000000000012B022C0100${place}6E5A1004AB`

describe('the place in a transaction', () => {
  it.each([
    ['29', 0],
    ['2B02', 1],
    ['2BFE', 127],
    ['2C0100', 128],
    ['2C1F40', 4000],
    ['2D020000', 65_536],
  ])('is read from a resume token: %s', (place, expected) => {
    expect(transactionIndexOf(token(place))).toBe(expected)
  })

  it.each([
    '',
    '82',
    '8265E0C00000000001',
    token('6E'),
    token('2B03'),
    token('2A'),
    '8265E0C000000000012B022C0100',
    'no token at all, but as long as one',
  ])('is not known of anything else: %s', other => {
    expect(transactionIndexOf(other)).toBeUndefined()
  })
})
