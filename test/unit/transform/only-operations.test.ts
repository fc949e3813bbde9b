import { describe, expect, it } from 'vitest'
import { type OperationType, onlyOperations } from '../../../src/transform/only-operations.js'

const event = (operationType: OperationType): never => ({ operationType }) as never

describe('onlyOperations', () => {
  it('passes the operations it names and filters all others', () => {
    const only = onlyOperations('insert', 'delete')
    expect(only(event('insert'))).toEqual({ operationType: 'insert' })
    expect(only(event('delete'))).toEqual({ operationType: 'delete' })
    for (const other of ['update', 'replace', 'drop', 'rename', 'invalidate'] as const) {
      expect(only(event(other))).toBeNull()
    }
  })

  it('fails on what is no change event, instead of filtering all of them', () => {
    for (const document of [{ _id: 1 }, { operationType: 5 }, null, 'text']) {
      expect(() => onlyOperations('insert')(document as never)).toThrow(
        expect.objectContaining({
          code: 'CDC_TRANSFORM_FAILED',
          message: expect.stringContaining('Expected a change event with `operationType`'),
        }),
      )
    }
  })

  it('refuses unknown operations and lists those it knows', () => {
    expect(() => onlyOperations('upsert' as never)).toThrow(
      expect.objectContaining({
        code: 'CDC_OPTION_INVALID',
        message: expect.stringMatching(/`operations of onlyOperations`.*"insert".*"refineCollectionShardKey"/),
      }),
    )
    expect(() => onlyOperations('constructor' as never)).toThrow('to be one of')
  })

  it('refuses to be made of no operation', () => {
    expect(() => (onlyOperations as () => unknown)()).toThrow(
      'Expected `operations of onlyOperations` to be at least one',
    )
  })
})
