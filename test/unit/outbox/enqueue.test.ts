import { describe, expect, it, vi } from 'vitest'
import { enqueue } from '../../../src/outbox/enqueue.js'

const entry = { aggregateType: 'order', aggregateId: 7, type: 'placed', payload: { total: 5 } }
const within = { inTransaction: () => true }

describe('enqueue', () => {
  it('writes the entry and nothing else of what it was given, in the session', async () => {
    const insertOne = vi.fn(async () => {})
    await enqueue({ insertOne }, within, { ...entry, headers: { a: 'b' }, total: 1 } as typeof entry)
    const document = { ...entry, headers: { a: 'b' }, at: expect.any(Date) }
    expect(insertOne).toHaveBeenCalledExactlyOnceWith(document, { session: within })
  })

  it('writes nothing outside a transaction, or when the entry is none', async () => {
    const insertOne = vi.fn(async () => {})
    const refused = { name: 'OptionsError', code: 'CDC_OUTBOX_NO_TRANSACTION' }
    await expect(enqueue({ insertOne }, { inTransaction: () => false }, entry)).rejects.toMatchObject(refused)
    await expect(enqueue({ insertOne }, undefined as never, entry)).rejects.toMatchObject(refused)
    const invalid = { code: 'CDC_OUTBOX_ENTRY_INVALID' }
    await expect(enqueue({ insertOne }, within, { ...entry, type: '' })).rejects.toMatchObject(invalid)
    await expect(enqueue({ insertOne }, within, null as never)).rejects.toMatchObject(invalid)
    expect(insertOne).not.toHaveBeenCalled()
  })

  it("passes the driver's error as it is: `withTransaction` reads its labels", async () => {
    const error = new Error('write conflict')
    const insertOne = (): Promise<void> => Promise.reject(error)
    await expect(enqueue({ insertOne }, within, entry)).rejects.toBe(error)
  })
})
