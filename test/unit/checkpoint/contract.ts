import { Binary, BSON, Decimal128, Double, Long, ObjectId, UUID } from 'mongodb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkpointStoreContract as portableContract, type StoreUnderTest } from '../../../src/testing/index.js'
import type { Checkpoint, CheckpointStore, Position } from '../../../src/types.js'

const ids: Record<string, unknown> = {
  ObjectId: new ObjectId('65f000000000000000000001'),
  UUID: new UUID('7c9a1b2e-1111-4222-8333-944455556666'),
  string: 'Zoë "quoted" \u0000 \u{1f600}',
  'empty string': '',
  int: 42,
  long: Long.fromString('9007199254740993'),
  'small long': Long.fromNumber(5),
  double: new Double(1),
  'negative zero': -0,
  decimal: Decimal128.fromString('1.10'),
  document: { z: 1, a: { b: new Double(2) } },
  date: new Date('1969-07-20T20:17:40.123Z'),
  binary: new Binary(Buffer.from([0, 255, 1]), 0),
  boolean: false,
  null: null,
}

/** The contract that the package publishes, and what only those who have the BSON library can check. */
export function checkpointStoreContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}, as every checkpoint store,`, () => {
    let under: StoreUnderTest
    let store: CheckpointStore
    beforeEach(async () => {
      under = await makeStore()
      store = under.store
    })
    afterEach(async () => {
      await store.close?.()
      await under.remove?.()
    })

    for (const { name, run } of portableContract(makeStore)) it(name, run)

    it.each(Object.entries(ids))('loads a position as it was saved, with a token of %s', async (_, _id) => {
      const saved = checkpoint({ position: eventPosition({ _id, _typeBits: new Binary(Buffer.from([130, 7])) }) })
      await store.save(saved)
      expectSame(await store.load('orders'), saved)
    })

    it('refuses a damaged record with a typed error, if that can happen', async () => {
      if (!under.corrupt) return
      await store.save(checkpoint())
      await under.corrupt('orders')
      await expect(store.load('orders')).rejects.toMatchObject({
        name: 'CheckpointError',
        code: 'CDC_CHECKPOINT_CORRUPT',
        retryable: false,
      })
    })
  })
}

/** A checkpoint to save. */
export function checkpoint(changes: Partial<Checkpoint> = {}): Checkpoint {
  return { name: 'orders', position: eventPosition(), savedAt: new Date('2026-03-01T12:00:00.123Z'), ...changes }
}

/** A position as after an event; its token begins with its time, as a server's does. */
export function eventPosition(inToken: object = {}): Position {
  const clusterTime = { t: 1_772_366_400, i: 7 }
  return { kind: 'event', clusterTime, token: { _data: `82${hex(clusterTime)}2B042C0100296E5A10`, ...inToken } }
}

/** Equal to the last BSON type and in the order of fields: a token goes back to the server byte for byte. */
export function expectSame(actual: unknown, expected: unknown): void {
  const text = (value: unknown): string =>
    BSON.EJSON.stringify(BSON.deserialize(BSON.serialize({ value }), { promoteValues: false }), { relaxed: false })
  expect(text(actual)).toBe(text(expected))
}

function hex({ t, i }: Position['clusterTime']): string {
  return [t, i].map(part => part.toString(16).toUpperCase().padStart(8, '0')).join('')
}
