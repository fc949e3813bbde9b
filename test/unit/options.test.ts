import { describe, expect, it } from 'vitest'
import { assertBoolean, assertKnown, assertOneOf, assertText, DAY_MS, resolveBackOff } from '../../src/options.js'

describe('the delays between attempts', () => {
  it('raise the longest to the shortest when only that is given', () => {
    expect(resolveBackOff('retry', {})).toEqual({ minDelayMs: 100, maxDelayMs: 30_000 })
    expect(resolveBackOff('retry', { minDelayMs: 60_000 })).toEqual({ minDelayMs: 60_000, maxDelayMs: 60_000 })
  })

  it.each([
    { minDelayMs: 0 },
    { maxDelayMs: 99 },
    { maxDelayMs: DAY_MS + 1 },
    { minDelayMs: null as never },
    { max: 1 },
  ])('refuse %o', options => expect(() => resolveBackOff('retry', options)).toThrowError(/`retry/))
})

describe('an option that is wrong', () => {
  it('is shown where one of a few words was expected', () => {
    expect(() => assertOneOf('a', 'foo' as never, ['b', 'c'])).toThrow('one of "b", "c", got "foo"')
    expect(() => assertBoolean('a', 'yes' as never)).toThrow('Expected `a` to be true or false, got "yes"')
  })

  it.each(['x'.repeat(41), 'amqp://u:p@h', 'a\nb'])('is not shown where it is no word: %j', value => {
    expect(() => assertOneOf('a', value as never, ['b'])).toThrow(/got a string$/)
  })

  it('is not shown where any text was expected, which may be a secret', () => {
    expect(() => assertText('a', 'secret', 3)).toThrow('at most 3 bytes long in UTF-8, got 6')
  })

  it.each([
    [true, 'true'],
    [null, 'null'],
    [[], 'an array of 0'],
    [[{ ttlMs: 1 }], 'an array of 1'],
  ])('is refused where options are expected and %j is given', (options, got) => {
    expect(() => assertKnown('`lease`', options as never, ['ttlMs'])).toThrow(
      `Expected the options of \`lease\` to be an object, got ${got}`,
    )
  })

  it('is refused where it holds half a character, which would go out as another one', () => {
    expect(() => assertText('a', 'x\ud83d')).toThrow(
      'Expected `a` to be well-formed Unicode, got one half of a surrogate',
    )
    expect(assertText('a', '😀')).toBe('😀')
  })
})
