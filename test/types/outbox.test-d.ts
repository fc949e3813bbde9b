import type { ClientSession, Collection } from 'mongodb'
import { describe, expectTypeOf, it } from 'vitest'
import { enqueue, type OutboxCollection, type OutboxEntry } from '../../src/index.js'

declare const outbox: Collection<OutboxEntry>
declare const session: ClientSession
const entry = { aggregateType: 'order', aggregateId: 7, type: 'placed', payload: { total: 5 } }

describe('enqueue', () => {
  it('takes a collection and a session of the driver', () => {
    expectTypeOf(enqueue(outbox, session, entry)).toEqualTypeOf<Promise<void>>()
    expectTypeOf<Collection<OutboxEntry>>().toExtend<OutboxCollection<ClientSession>>()
  })

  it('refuses what is no session, and an entry without payload', () => {
    // @ts-expect-error: that is no session
    void enqueue(outbox, {}, entry)
    // @ts-expect-error: nothing to publish
    void enqueue(outbox, session, { aggregateType: 'order', aggregateId: 7, type: 'placed' })
  })
})
