import { describe, expect, it } from 'vitest'
import { outputsOf } from '../../src/outputs.js'

describe('what a transform returned', () => {
  it.each([
    ['one message', 'a', ['a']],
    ['several', ['a', 'b'], ['a', 'b']],
    ['several with gaps', [null, 'a', null], ['a']],
    ['nothing', null, []],
    ['an empty array', [], []],
    ['what is false but no gap', [0, '', false], [0, '', false]],
  ])('is %s', (_, returned, outputs) => {
    expect(outputsOf(returned)).toEqual(outputs)
  })

  it.each([
    ['a forgotten `return`', undefined, 'got `undefined`'],
    ['one within an array, by its place', [null, 'a', undefined], 'got `undefined` at index 2 of an array'],
  ])('is refused: %s', (_, returned, got) => {
    expect(() => outputsOf(returned)).toThrow(expect.objectContaining({ code: 'CDC_TRANSFORM_UNDEFINED' }))
    expect(() => outputsOf(returned)).toThrow(`Expected a transform to return messages, ${got}`)
  })
})
