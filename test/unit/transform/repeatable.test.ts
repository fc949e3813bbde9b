import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needsOf } from '../../../src/needs.js'
import { redact } from '../../../src/transform/redact.js'
import type { MaskRedaction } from '../../../src/transform/redaction.js'
import { redactorOf } from '../../../src/transform/redaction.js'
import { isWellFormed } from '../../../src/well-formed.js'
import { insertOf, updateOf } from './update-events.js'

// Any code points, halves of pairs and whole ones among them, in a few letters, so that values look like masks.
const text = fc.string({ unit: fc.constantFrom('a', '*', 'é', '😀', '\ud83d', '\ude00'), maxLength: 12 })
const mask: fc.Arbitrary<MaskRedaction> = fc
  .record({ mask: text, keepLast: fc.option(fc.integer({ min: 1, max: 6 })) })
  .map(({ mask, keepLast }) => (keepLast === null ? { mask } : { mask, keepLast }))

describe('a mask that is said to be repeatable', () => {
  it('makes nothing else of what it has made, of whatever value', () => {
    const values = fc.oneof(
      text,
      mask.map(({ mask }) => mask),
      fc.tuple(text, text).map(parts => parts.join('')),
      fc.anything(),
    )
    fc.assert(
      fc.property(mask, values, text, (redaction, value, end) => {
        const { apply, repeatable } = redactorOf(redaction)
        fc.pre(repeatable)
        for (const given of [value, redaction.mask + end, redaction.mask]) {
          const once = apply(given)
          expect(apply(once)).toBe(once)
        }
      }),
    )
  })

  it('is every one whose mask is longer than the end that it shows, and no other', () => {
    fc.assert(
      fc.property(mask, redaction => {
        fc.pre(isWellFormed(redaction.mask))
        const { apply, repeatable } = redactorOf(redaction)
        const once = apply('0123456789abcdef')
        expect(apply(once) === once).toBe(repeatable)
      }),
    )
  })

  it('does not take a value that only begins with the mask for a masked one', () => {
    const { apply } = redactorOf({ mask: '[redacted]', keepLast: 4 })
    expect(apply('[redacted]')).toBe('[redacted]')
    expect(apply('[redacted] but not: 4111 1111')).toBe('[redacted]1111')
  })

  it('is none where another one meets it at the same value', () => {
    const ends = fc.record({
      mask: fc.string({ unit: fc.constantFrom('*', '#'), maxLength: 6 }),
      keepLast: fc.integer({ min: 1, max: 3 }),
    })
    const paths = fc.uniqueArray(fc.constantFrom('lines.sku', 'lines.0.sku', 'lines.0.0.sku', 'lines.1.sku', 'sku'), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(paths, fc.array(ends, { minLength: 3, maxLength: 3 }), text, (names, masks, sku) => {
        const step = redact(names.map((name, index) => [name, masks[index] as MaskRedaction] as const))
        fc.pre(needsOf(step).hiding === 'repeatable')
        const document = { lines: [{ sku }, [{ sku }], { sku: 'abcdefgh' }], sku }
        const updatedFields = { 'lines.0': { sku }, 'lines.1.sku': sku, 'lines.0.0.sku': sku, 'sku.x': 1 }
        for (const event of [insertOf(document), updateOf({ updatedFields })]) {
          expect(step(step(event))).toEqual(step(event))
        }
      }),
    )
    const rules = { 'lines.0.sku': { mask: '****', keepLast: 3 }, 'lines.sku': { mask: '##', keepLast: 1 } }
    expect(needsOf(redact(rules)).hiding).toBe('once')
  })
})
