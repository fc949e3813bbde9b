import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCdcError } from '../errors.js'
import type { Checkpoint, CheckpointStore, Lease } from '../types.js'

/** A store that gives leases. */
export type LeasingStore = CheckpointStore & Required<Pick<CheckpointStore, 'acquire'>>

/** What a store with `acquire` has to do. `other` is a second instance over the same data where there can be one. */
export interface LeaseCase {
  readonly name: string
  readonly check: (store: LeasingStore, other: LeasingStore) => Promise<void>
}

/** Longer than any of these cases takes. */
const LONG_MS = 60_000
/** Short, and no shorter: that of a busy server must not run out between two calls. */
const SHORT_MS = 250

const name = 'orders'
const first = { name, holder: 'a', ttlMs: LONG_MS }
const second = { ...first, holder: 'b' }

export const leaseCases: readonly LeaseCase[] = [
  {
    name: 'gives the lease to one holder, and to another one only when it was given up',
    async check(store, other) {
      const lease = held(await store.acquire(first))
      strictEqual(await other.acquire(second), undefined)
      await lease.release()
      strictEqual(held(await other.acquire(second)).epoch > lease.epoch, true)
      strictEqual(await store.acquire(first), undefined)
    },
  },
  {
    name: 'gives it to another one when it has run out, and then refuses to renew it',
    async check(store, other) {
      const lease = held(await store.acquire({ ...first, ttlMs: SHORT_MS }))
      await sleep(SHORT_MS + 50)
      const next = held(await other.acquire(second))
      strictEqual(next.epoch > lease.epoch, true)
      strictEqual(await lease.renew(), false)
      await lease.release()
      strictEqual(await next.renew(), true)
      strictEqual(await store.acquire(first), undefined)
    },
  },
  {
    name: 'keeps it as long as it is renewed',
    async check(store, other) {
      const lease = held(await store.acquire({ ...first, ttlMs: SHORT_MS * 4 }))
      for (let i = 0; i < 5; i += 1) {
        await sleep(SHORT_MS)
        strictEqual(await lease.renew(), true)
        strictEqual(await other.acquire(second), undefined)
      }
    },
  },
  {
    name: 'gives it to its own holder again, under a new epoch',
    async check(store) {
      const lease = held(await store.acquire(first))
      const again = held(await store.acquire(first))
      strictEqual(again.epoch > lease.epoch, true)
      strictEqual(await lease.renew(), false)
      strictEqual(await again.renew(), true)
    },
  },
  {
    name: 'keeps the leases of two names apart',
    async check(store, other) {
      held(await store.acquire(first))
      held(await other.acquire({ ...second, name: 'billing' }))
    },
  },
  {
    name: 'gives it to exactly one of two that ask at the same time',
    async check(store, other) {
      for (let round = 0; round < 10; round += 1) {
        const race = { name: `race-${round}`, ttlMs: LONG_MS }
        const both = await Promise.all([
          store.acquire({ ...race, holder: 'a' }),
          other.acquire({ ...race, holder: 'b' }),
        ])
        strictEqual(both.filter(lease => lease !== undefined).length, 1)
      }
    },
  },
  {
    name: 'a name with nothing but a lease has no checkpoint yet',
    async check(store) {
      held(await store.acquire(first))
      strictEqual(await store.load(name), undefined)
    },
  },
  {
    name: 'saves under the epoch of the lease, and keeps the lease',
    async check(store, other) {
      const lease = held(await store.acquire(first))
      await store.save(at(1, lease.epoch))
      await store.save(at(2, lease.epoch))
      strictEqual(await timeOf(other), 2)
      strictEqual(await lease.renew(), true)
      strictEqual(await other.acquire(second), undefined)
    },
  },
  {
    name: 'refuses to save under the epoch of a lease that another has got since',
    async check(store, other) {
      const lease = held(await store.acquire(first))
      await store.save(at(1, lease.epoch))
      await lease.release()
      const next = held(await other.acquire(second))
      await refused(store.save(at(9, lease.epoch)))
      await other.save(at(2, next.epoch))
      await refused(store.save(at(9, lease.epoch)))
      strictEqual(await timeOf(store), 2)
    },
  },
  {
    name: 'refuses to save without an epoch while somebody has the lease, and not afterwards',
    async check(store, other) {
      const lease = held(await store.acquire(first))
      await refused(other.save(at(8)))
      await store.save(at(1, lease.epoch))
      await refused(other.save(at(9)))
      strictEqual(await timeOf(store), 1)
      await lease.release()
      await other.save(at(2))
      strictEqual(await timeOf(store), 2)
    },
  },
  {
    name: 'refuses the old holder once somebody has saved without a lease behind it',
    async check(store, other) {
      const lease = held(await store.acquire({ ...first, ttlMs: SHORT_MS }))
      await sleep(SHORT_MS + 50)
      await other.save(at(2))
      await other.save(at(3))
      await refused(store.save(at(9, lease.epoch)))
      strictEqual(await lease.renew(), false)
      strictEqual(await timeOf(store), 3)
      strictEqual(held(await store.acquire(first)).epoch > lease.epoch, true)
    },
  },
]

function held(lease: Lease | undefined): Lease {
  if (lease === undefined) throw new Error('Expected a lease, got none')
  return lease
}

function at(i: number, epoch?: number): Checkpoint {
  const position = { kind: 'time', clusterTime: { t: 1_772_366_400, i } } as const
  return { name, position, savedAt: new Date('2026-03-01T12:00:00.123Z'), ...(epoch !== undefined && { epoch }) }
}

async function timeOf(store: CheckpointStore): Promise<number | undefined> {
  return (await store.load(name))?.position.clusterTime.i
}

/** With a typed error that isn't tried again. */
async function refused(saving: Promise<void>): Promise<void> {
  await rejects(saving, error => {
    deepStrictEqual(isCdcError(error) && [error.code, error.retryable], ['CDC_FENCED', false])
    return true
  })
}
