import { Binary, BSON, Decimal128, Double, Long, ObjectId, UUID } from 'mongodb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Checkpoint, CheckpointStore, Position } from '../../../src/types.js'

/** A store to test, and what the tests do to it behind its back. */
export interface StoreUnderTest {
  readonly store: CheckpointStore
  /** Another instance over the same data, as after a restart; absent where nothing survives. */
  reopen?(): CheckpointStore
  /** Damages what is stored under this name; absent where nothing can be damaged. */
  corrupt?(name: string): Promise<void>
  /** Removes all that was made. */
  remove?(): Promise<void>
}

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

/** What every checkpoint store has to do. */
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

    it('loads undefined where nothing was saved', async () => {
      expect(await store.load('orders')).toBeUndefined()
    })

    it.each(Object.entries(ids))('loads a position as it was saved, with a token of %s', async (_, _id) => {
      const saved = checkpoint({ position: eventPosition({ _id, _typeBits: new Binary(Buffer.from([130, 7])) }) })
      await store.save(saved)
      expectSame(await store.load('orders'), saved)
    })

    it('loads positions of each kind, with and without origin', async () => {
      const origin = { deployment: 'rs0', watch: 'f00' }
      const clusterTime = { t: 1_700_000_000, i: 1 }
      const positions: Position[] = [
        { kind: 'time', clusterTime },
        { kind: 'highWaterMark', clusterTime, token: { _data: `82${hex(clusterTime)}2B0229296E04` }, origin },
        { ...eventPosition(), origin: { deployment: 'rs0', deploymentId: '65f000000000000000000001', watch: 'f00' } },
      ]
      for (const position of positions) {
        await store.save(checkpoint({ position }))
        expectSame(await store.load('orders'), checkpoint({ position }))
      }
    })

    it.each([
      { t: 1, i: 0 },
      { t: 2 ** 31 - 1, i: 2 ** 31 },
      { t: 2 ** 32 - 1, i: 2 ** 32 - 1 },
    ])('gives back the cluster time $t, $i in the same plain numbers', async clusterTime => {
      await store.save(checkpoint({ position: { kind: 'time', clusterTime } }))
      expect((await store.load('orders'))?.position).toStrictEqual({ kind: 'time', clusterTime })
    })

    it('keeps the last of several saves', async () => {
      for (const i of [1, 2, 3]) await store.save(checkpoint({ position: { kind: 'time', clusterTime: { t: 9, i } } }))
      expect((await store.load('orders'))?.position.clusterTime).toEqual({ t: 9, i: 3 })
    })

    it('keeps the checkpoints of two pipelines apart', async () => {
      await store.save(checkpoint({ name: 'orders', position: { kind: 'time', clusterTime: { t: 9, i: 1 } } }))
      await store.save(checkpoint({ name: 'orders/../x', position: { kind: 'time', clusterTime: { t: 9, i: 2 } } }))
      expect((await store.load('orders'))?.position.clusterTime.i).toBe(1)
      expect((await store.load('orders/../x'))?.position.clusterTime.i).toBe(2)
      expect(await store.load('other')).toBeUndefined()
    })

    it('finds after a restart what was saved before, if it keeps anything', async () => {
      if (!under.reopen) return
      await store.save(checkpoint())
      const again = under.reopen()
      expectSame(await again.load('orders'), checkpoint())
      await again.close?.()
    })

    it('refuses a record that was damaged, if that can happen', async () => {
      if (!under.corrupt) return
      await store.save(checkpoint())
      await under.corrupt('orders')
      await expect(store.load('orders')).rejects.toMatchObject({
        name: 'CheckpointError',
        code: 'CDC_CHECKPOINT_CORRUPT',
        retryable: false,
      })
    })

    it('closes twice without an error', async () => {
      await store.close?.()
      await store.close?.()
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
