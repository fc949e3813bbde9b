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
