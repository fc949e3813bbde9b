import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { SourceError } from '../../../src/errors.js'
import { createCdcPipeline } from '../../../src/pipeline/create-cdc-pipeline.js'
import type { CheckpointStore, Lease } from '../../../src/types.js'
import { type Bench, bench, collect } from './support/bench.js'
import { LeasingStore } from './support/leasing-store.js'
import { settle } from './support/parts.js'
import { position, record } from './support/records.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const ttlMs = 10_000
const lease = { ttlMs }

/** One instance with its own way to the store, which can be cut. */
interface Instance extends Bench {
  away: boolean
  readonly leases: string[]
  readonly abandoned: () => number
}

function instance(shared: LeasingStore, options: Parameters<typeof bench>[0] = {}): Instance {
  let away = false
  const cut: ((error: Error) => void)[] = []
  const pass = (): Promise<void> | undefined => (away ? new Promise((_, reject) => cut.push(reject)) : undefined)
  const leaseOf = (given: Lease): Lease => ({
    epoch: given.epoch,
    renew: async () => {
      await pass()
      return await given.renew()
    },
    release: async () => {
      await pass()
      await given.release()
    },
  })
  const checkpointStore: CheckpointStore = {
    load: async name => {
      await pass()
      return await shared.load(name)
    },
    save: async checkpoint => {
      await pass()
      await shared.save(checkpoint)
    },
    acquire: async request => {
      await pass()
      const given = await shared.acquire(request)
      return given && leaseOf(given)
    },
  }
  const parts = bench({ checkpointStore, lease, ...options })
  const leases: string[] = []
  let abandoned = 0
  Object.assign(parts.sink, {
    abandon: () => {
      abandoned += 1
    },
  })
  const made: Instance = {
    ...parts,
    leases,
    abandoned: () => abandoned,
    get away() {
      return away
    },
    set away(value) {
      away = value
      if (!away) for (const reject of cut.splice(0)) reject(new Error('The connection was lost'))
    },
  }
  made.pipeline.on('leaseAcquired', ({ epoch }) => leases.push(`acquired ${epoch}`))
  made.pipeline.on('leaseLost', ({ epoch, error }) => leases.push(`lost ${epoch} ${error.code}`))
  return made
}

/** An instance that runs. */
async function leading(shared: LeasingStore, options: Parameters<typeof bench>[0] = {}): Promise<Instance> {
  const made = instance(shared, options)
  made.source.give([])
  await made.pipeline.start()
  expect(made.pipeline.state).toBe('running')
  return made
}

/** An instance that stands by. */
async function standing(shared: LeasingStore): Promise<Instance> {
  const made = instance(shared)
  await made.pipeline.start()
  expect(made.pipeline.state).toBe('standby')
  return made
}

describe('two instances with a lease', () => {
  test('are one that publishes and one that stands by, started and ready', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const second = await standing(store)
    Object.assign(second.source, { health: () => ({ ok: false, since: 0, reason: 'connecting' }) })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(second.pipeline.stats().lagMs).toBe(0)
    expect(second.source.opened).toBeUndefined()
    expect(second.pipeline.health()).toMatchObject({
      state: 'standby',
      live: true,
      ready: true,
      lease: { held: false },
    })
    expect(first.pipeline.health()).toMatchObject({ ready: true, lease: { held: true, epoch: 1 } })
    expect(first.pipeline.health().lease?.validForMs).toBeGreaterThan(0)
    expect([first.leases, second.leases]).toEqual([['acquired 1'], []])
  })

  test('change over at once when the one that publishes is stopped, behind its last position', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const second = await standing(store)
    await first.give(record(1), record(2))
    for (const sent of first.sink.sent) await sent.ack()
    expect(await first.pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    expect(store.saves).toMatchObject([{ epoch: 1, position: { clusterTime: { t: 2 } } }])
    const states = collect(second.pipeline, 'state')
    second.source.give([])
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    expect(second.source.opened?.after).toEqual(position(2))
    expect(states.map(({ to }) => to)).toEqual(['starting', 'running'])
    expect(second.leases).toEqual(['acquired 2'])
  })

  test('never both publish when the one that has the lease is cut off from the store; the other one follows within the time of the lease', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const second = await standing(store)
    await first.give(record(1, 'a'), record(2, 'a'))
    first.away = true
    second.source.give([], [record(1, 'a')])
    let overlap = 0
    let tookOverAfter = 0
    for (let ms = 0; ms < ttlMs * 2; ms += 100) {
      await vi.advanceTimersByTimeAsync(100)
      const [one, other] = [first, second].map(({ pipeline }) => pipeline.health().lease?.held)
      if (one && other) overlap += 1
      if (other && tookOverAfter === 0) tookOverAfter = ms
    }
    expect(overlap).toBe(0)
    expect(tookOverAfter).toBeLessThanOrEqual(ttlMs * 1.1)
    expect(first.leases).toEqual(['acquired 1', 'lost 1 CDC_LEASE_EXPIRED'])
    expect(second.leases).toEqual(['acquired 2'])
    expect(second.sink.messages).toEqual([1])
    // The network heals: the first one waits for its turn.
    first.away = false
    await first.sink.sent[0]!.ack()
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect([first.pipeline.state, first.sink.messages, store.fenced]).toEqual(['standby', [1], 0])
  })

  test('change back and forth, each time from the last saved position', async () => {
    const store = new LeasingStore()
    const both = [await leading(store), await standing(store)]
    for (let n = 1; n <= 4; n += 1) {
      const [now, next] = n % 2 === 1 ? both : [both[1], both[0]]
      await now!.give(record(n))
      await now!.sink.sent.at(-1)!.ack()
      await vi.advanceTimersByTimeAsync(2_000)
      now!.away = true
      next!.source.give([])
      await vi.advanceTimersByTimeAsync(ttlMs * 1.5)
      expect(next!.source.opened?.after).toEqual(position(n))
      now!.away = false
    }
    expect(store.saves.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4])
  })
})

describe('an instance that loses the lease', () => {
  test('forgets what is in flight: nothing behind it is published, a late confirm counts for nothing', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1, 'a'), record(2, 'a'), record(3, 'b'))
    made.away = true
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(made.abandoned()).toBe(1)
    for (const sent of made.sink.sent) await sent.ack()
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(made.sink.messages).toEqual([1, 3])
    expect(made.pipeline.stats()).toMatchObject({ published: 0, read: 3, inFlight: 0, peakInFlight: 3 })
    expect(store.saves).toEqual([])
  })

  test('reads the saved position afresh when it has it again, and publishes in order from there', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1, 'a'), record(2, 'a'), record(3, 'a'))
    await made.sink.sent[0]!.ack()
    await vi.advanceTimersByTimeAsync(1_000)
    made.away = true
    await vi.advanceTimersByTimeAsync(ttlMs)
    made.away = false
    made.source.give([record(2, 'a'), record(3, 'a')])
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(made.leases).toEqual(['acquired 1', 'lost 1 CDC_LEASE_EXPIRED', 'acquired 2'])
    expect(made.source.opened?.after).toEqual(position(1))
    await made.sink.sent[1]!.ack() // of the term before
    expect(made.sink.messages).toEqual([1, 2, 2])
    await made.sink.sent[2]!.ack()
    expect(made.sink.messages).toEqual([1, 2, 2, 3])
    await made.sink.sent[3]!.ack()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(store.saves.map(({ epoch, position }) => [epoch, position.clusterTime.t])).toEqual([
      [1, 1],
      [2, 3],
    ])
  })

  test('goes on behind what it knows where the record is gone, and does not take it for a first run', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    Object.assign(made.source, { startPosition: async () => position(1000) })
    await made.give(record(1), record(2), record(3))
    for (const sent of made.sink.sent.slice(0, 2)) await sent.ack()
    store.stored.clear()
    store.leases.clear()
    await vi.advanceTimersByTimeAsync(ttlMs * 2)
    made.source.give([])
    await vi.advanceTimersByTimeAsync(100)
    expect(made.leases).toEqual(['acquired 1', 'lost 1 CDC_FENCED', 'acquired 1'])
    expect(made.source.opened?.after).toEqual(position(2))
    expect(store.stored.get('bench')?.position).toEqual(position(2))
    expect(made.pipeline.state).toBe('running')
  })

  test('is never left running without it, in whatever moment of its beginning it loses it', async () => {
    for (let turns = 0; turns < 16; turns += 1) {
      const made = instance(new LeasingStore(), {
        transform: async ({ n }) => {
          for (let turn = 0; turn < turns; turn += 1) await undefined
          if (made.leases.length === 1) vi.setSystemTime(Date.now() + 3 * ttlMs) // the process was frozen
          return n
        },
      })
      made.source.give([record(1)])
      void made.pipeline.start()
      await vi.advanceTimersByTimeAsync(ttlMs)
      made.source.give([])
      await vi.advanceTimersByTimeAsync(ttlMs * 2)
      const { state, lease } = made.pipeline.health()
      expect([turns, state, lease?.held]).toEqual([turns, 'running', true])
      expect(made.leases[1]).toBe('lost 1 CDC_LEASE_EXPIRED')
      const stop = made.pipeline.stop()
      await vi.advanceTimersByTimeAsync(60_000)
      await stop
    }
  })

  test('publishes nothing behind a pause of the process, though no timer has run yet', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1, 'a'), record(2, 'a'))
    vi.setSystemTime(Date.now() + 60_000)
    await made.sink.sent[0]!.ack()
    expect(made.sink.messages).toEqual([1])
    expect(made.abandoned()).toBe(1)
    // Nobody else wanted it.
    expect(made.leases).toEqual(['acquired 1', 'lost 1 CDC_LEASE_EXPIRED', 'acquired 2'])
  })

  test('stands by when a save is refused as another one has it', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1))
    store.leases.set('bench', { epoch: 9, holder: 'another', expiresAt: Date.now() + 60_000 })
    await made.sink.sent[0]!.ack()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([made.pipeline.state, store.saves, store.fenced]).toEqual(['standby', [], 1])
    expect(made.leases).toEqual(['acquired 1', 'lost 1 CDC_FENCED'])
    expect(made.pipeline.health()).toMatchObject({ reasons: [], checkpoint: { unsavedEvents: 0 } })
  })

  test('stands by when the first position of a first run is refused', async () => {
    const store = new LeasingStore()
    const made = instance(store)
    Object.assign(made.source, {
      startPosition: async () => {
        store.leases.set('bench', { epoch: 9, holder: 'another', expiresAt: Date.now() + 60_000 })
        return position(0)
      },
    })
    await made.pipeline.start()
    expect([made.pipeline.state, store.saves]).toEqual(['standby', []])
  })

  test('ends its transforms, and discards what they return', async () => {
    const store = new LeasingStore()
    const signals: AbortSignal[] = []
    const finish: ((n: number) => void)[] = []
    const made = await leading(store, {
      transform: (_, context) => {
        signals.push(context!.signal)
        return new Promise(resolve => finish.push(resolve))
      },
    })
    await made.give(record(1))
    made.away = true
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(signals[0]?.reason).toMatchObject({ code: 'CDC_LEASE_EXPIRED' })
    finish[0]?.(1)
    await settle()
    expect(made.sink.messages).toEqual([])
  })

  test('sends no dead letter any more', async () => {
    const store = new LeasingStore()
    const decide: ((decision: 'dead-letter') => void)[] = []
    const made = await leading(store, {
      onFailedEvent: () => new Promise<'dead-letter'>(resolve => decide.push(resolve)),
      deadLetter: { message: () => 'letter' },
      transform: () => {
        throw new Error('poison')
      },
    })
    await made.give(record(1), record(2))
    decide[0]?.('dead-letter')
    await settle()
    expect(made.sink.messages).toEqual(['letter'])
    vi.setSystemTime(Date.now() + 60_000)
    decide[1]?.('dead-letter')
    await settle()
    expect(made.sink.messages).toEqual(['letter'])
  })

  test('while it drains ends at once, and says what is unconfirmed', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1))
    made.away = true
    const stop = made.pipeline.stop()
    await vi.advanceTimersByTimeAsync(ttlMs)
    await vi.advanceTimersByTimeAsync(5_000) // the store of this instance hangs
    expect(await stop).toEqual({ drained: false, unconfirmed: 1 })
    expect(made.pipeline.state).toBe('stopped')
    expect(made.abandoned()).toBe(1)
  })
})

describe('an instance that can not renew the lease', () => {
  test('is degraded for the reason `lease`, goes on publishing, and is well when it can again', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    store.error = new Error('away')
    await vi.advanceTimersByTimeAsync(ttlMs / 2)
    expect(made.pipeline.health()).toMatchObject({ state: 'degraded', reasons: ['lease'], lease: { error: 'away' } })
    await made.give(record(1))
    expect(made.sink.messages).toEqual([1])
    store.error = undefined
    await vi.advanceTimersByTimeAsync(ttlMs / 2)
    expect(made.pipeline.health()).toMatchObject({ state: 'running', reasons: [] })
    expect(made.pipeline.health().lease).not.toHaveProperty('error')
    expect(made.leases).toEqual(['acquired 1'])
  })

  test('tells of each renewal that fails, and when the next one comes', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    const failed = collect(made.pipeline, 'leaseFailed')
    const renewals: number[] = []
    store.gate = call => {
      if (call === 'renew') renewals.push(Date.now())
      return undefined
    }
    const error = new Error('away')
    store.error = error
    await vi.advanceTimersByTimeAsync(ttlMs / 2)
    expect(failed.length).toBeGreaterThan(2)
    expect(failed.map(({ error, attempt }) => [error, attempt])).toEqual(failed.map((_, n) => [error, n + 1]))
    const gaps = renewals.slice(1).map((ms, n) => ms - renewals[n]!)
    expect(failed.slice(0, gaps.length).map(({ delayMs }) => delayMs)).toEqual(gaps)
  })

  test('goes from `degraded` to `standby`, and never looks well in between', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    const states = collect(made.pipeline, 'state')
    const atLoss: unknown[] = []
    made.pipeline.on('leaseLost', () => atLoss.push(made.pipeline.health()))
    await made.give(record(1))
    store.error = new Error('away')
    await made.sink.sent[0]!.ack()
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(made.pipeline.health()).toMatchObject({ state: 'standby', reasons: ['lease'] })
    expect(states.map(({ from, to }) => `${from} ${to}`).filter(change => change !== 'degraded degraded')).toEqual([
      'running degraded',
      'degraded standby',
    ])
    expect(states.at(-1)?.reasons).toEqual([])
    expect(atLoss).toMatchObject([{ state: 'degraded', ready: false, lease: { held: false } }])
  })
})

describe('an instance that stands by', () => {
  test('tells of each question for the lease that fails; is not ready when that has lasted for the time of the lease, until it has an answer', async () => {
    const store = new LeasingStore()
    await leading(store)
    const made = await standing(store)
    const failed = collect(made.pipeline, 'leaseFailed')
    const error = new Error('away')
    const { acquire } = store
    const asked: number[] = []
    store.acquire = async () => {
      asked.push(Date.now())
      throw error
    }
    const ready = (): boolean => made.pipeline.health().ready
    await vi.advanceTimersByTimeAsync(ttlMs * 0.9)
    expect([ready(), failed.length > 5]).toEqual([true, true])
    await vi.advanceTimersByTimeAsync(ttlMs * 0.3)
    expect(ready()).toBe(false)
    expect(made.pipeline.health()).toMatchObject({ state: 'standby', live: true, lease: { error: 'away' } })
    expect(failed.map(({ error, attempt }) => [error, attempt])).toEqual(failed.map((_, n) => [error, n + 1]))
    const gaps = asked.slice(1).map((ms, n) => ms - asked[n]!)
    expect(failed.slice(0, -1).map(({ delayMs }) => delayMs)).toEqual(gaps)
    store.acquire = acquire
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    const told = failed.length
    expect(ready()).toBe(true)
    await vi.advanceTimersByTimeAsync(ttlMs * 3)
    expect([ready(), failed.length, made.pipeline.state]).toEqual([true, told, 'standby'])
  })

  test('is not ready when a question for the lease has no answer for longer than its time', async () => {
    const store = new LeasingStore()
    await leading(store)
    const made = await standing(store)
    made.away = true
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(made.pipeline.health()).toMatchObject({ state: 'standby', ready: true })
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    expect(made.pipeline.health()).toMatchObject({ state: 'standby', ready: false })
    made.away = false
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    expect(made.pipeline.health()).toMatchObject({ state: 'standby', ready: true })
  })

  test('since it lost the lease, is not ready when renewals and questions have failed for the time of the lease', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    store.error = new Error('away')
    await vi.advanceTimersByTimeAsync(ttlMs * 1.4)
    expect(made.pipeline.health()).toMatchObject({ state: 'standby', ready: false })
  })

  test('can be stopped by a listener that is told of a failure', async () => {
    const store = new LeasingStore()
    const made = await standing(await leading(store).then(() => store))
    const stops: unknown[] = []
    made.pipeline.once('leaseFailed', () => stops.push(made.pipeline.stop()))
    store.error = new Error('away')
    await vi.advanceTimersByTimeAsync(ttlMs / 5)
    expect([await stops[0], made.pipeline.state]).toEqual([{ drained: true, unconfirmed: 0 }, 'stopped'])
  })
})

describe('stop', () => {
  test('in standby ends at once, and leaves the lease of the other instance alone', async () => {
    const store = new LeasingStore()
    await leading(store)
    const second = await standing(store)
    expect(await second.pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    expect(store.leases.get('bench')?.epoch).toBe(1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(second.source.opened).toBeUndefined()
  })

  test('drains for longer than the lease, which is renewed meanwhile and given up in the end', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1, 'a'), record(2, 'a'))
    const stop = made.pipeline.stop()
    await vi.advanceTimersByTimeAsync(ttlMs * 2)
    await made.sink.sent[0]!.ack()
    await made.sink.sent[1]!.ack()
    expect(await stop).toEqual({ drained: true, unconfirmed: 0 })
    expect(store.saves.at(-1)).toMatchObject({ epoch: 1, position: position(2) })
    expect(store.leases.get('bench')).toMatchObject({ holder: undefined })
  })

  test('gives the lease up only when nothing can go out any more', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    let close = (): void => {}
    Object.assign(made.sink, {
      close: () =>
        new Promise<void>(resolve => {
          close = resolve
        }),
    })
    const stop = made.pipeline.stop()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(store.leases.get('bench')?.holder).toBeDefined()
    close()
    await stop
    expect(store.leases.get('bench')?.holder).toBeUndefined()
  })
})

describe('pause', () => {
  test('keeps the lease, and resume goes on with it', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.pipeline.pause()
    await vi.advanceTimersByTimeAsync(ttlMs * 3)
    expect(made.pipeline.state).toBe('paused')
    made.source.give([])
    await made.pipeline.resume()
    expect([made.pipeline.state, made.leases]).toEqual(['running', ['acquired 1']])
  })

  test('in standby keeps the instance from taking over until it is resumed', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const second = await standing(store)
    await second.pipeline.pause()
    expect(second.pipeline.state).toBe('paused')
    await first.pipeline.stop()
    await vi.advanceTimersByTimeAsync(ttlMs * 3)
    expect([second.pipeline.state, second.leases]).toEqual(['paused', []])
    second.source.give([])
    await second.pipeline.resume()
    expect([second.pipeline.state, second.leases]).toEqual(['running', ['acquired 2']])
  })

  test('lets a lease go that can not be renewed, and stays paused', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.pipeline.pause()
    made.away = true
    await vi.advanceTimersByTimeAsync(ttlMs)
    made.away = false
    expect(made.pipeline.state).toBe('paused')
    await vi.advanceTimersByTimeAsync(ttlMs)
    expect(made.leases).toEqual(['acquired 1', 'lost 1 CDC_LEASE_EXPIRED'])
    made.source.give([])
    await made.pipeline.resume()
    expect([made.pipeline.state, made.leases.at(-1)]).toEqual(['running', 'acquired 2'])
  })
})

describe('an instance that may not read when it takes over', () => {
  const refusal = (): SourceError => new SourceError('CDC_SOURCE_UNAUTHORIZED', 'Not allowed')

  test('gives the lease back, is not ready, and tries again slowly until it may', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const made = await standing(store)
    const failed = collect(made.pipeline, 'leaseFailed')
    await first.pipeline.stop()
    made.source.give(refusal())
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    expect(failed).toMatchObject([{ error: refusal(), attempt: 1 }])
    expect(failed[0]?.delayMs).toBeGreaterThanOrEqual(2_500)
    expect(made.pipeline.health()).toMatchObject({
      state: 'starting',
      ready: false,
      reasons: ['lease'],
      lease: { held: false, error: 'Not allowed' },
    })
    expect(store.leases.get('bench')?.holder).toBeUndefined()
    for (let n = 0; n < 20; n += 1) made.source.give(refusal())
    await vi.advanceTimersByTimeAsync(60_000)
    expect(made.leases.length).toBeGreaterThan(3)
    expect(made.leases.length).toBeLessThan(20)
    expect(made.pipeline.state).toBe('starting')
    await vi.advanceTimersByTimeAsync(600_000)
    made.source.give([])
    await settle()
    expect(made.pipeline.health()).toMatchObject({ state: 'running', reasons: [], lease: { held: true } })
    expect(made.pipeline.health().lease).not.toHaveProperty('error')
  })

  test('stands by when another one got the lease meanwhile', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const made = await standing(store)
    await first.pipeline.stop()
    made.source.give(refusal())
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    await leading(store)
    await vi.advanceTimersByTimeAsync(5_000)
    expect([made.pipeline.state, made.pipeline.health().reasons]).toEqual(['standby', []])
  })

  test('can be stopped while it waits', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const made = await standing(store)
    await first.pipeline.stop()
    made.source.give(refusal())
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    expect(await made.pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    await settle()
    expect([made.pipeline.state, vi.getTimerCount()]).toEqual(['stopped', 0])
  })

  test('waits for it at a resume, too, and goes on behind its position', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.give(record(1))
    await made.sink.sent[0]!.ack()
    await made.pipeline.pause()
    made.source.give(refusal(), refusal())
    const resume = made.pipeline.resume()
    await settle()
    expect([made.pipeline.state, store.leases.get('bench')?.holder]).toEqual(['starting', undefined])
    made.source.give([])
    await vi.advanceTimersByTimeAsync(5_000)
    await resume
    expect([made.pipeline.state, made.source.opened?.after]).toEqual(['running', position(1)])
  })

  test('fails at the start, where somebody watches', async () => {
    const store = new LeasingStore()
    const made = instance(store)
    made.source.give(refusal())
    await expect(made.pipeline.start()).rejects.toMatchObject({ code: 'CDC_SOURCE_UNAUTHORIZED' })
    expect(store.leases.get('bench')?.holder).toBeUndefined()
  })
})

describe('resume', () => {
  test('stands by when the lease is lost while the source opens, also if the source rejects for that', async () => {
    const store = new LeasingStore()
    const made = await leading(store)
    await made.pipeline.pause()
    const { open } = made.source
    made.source.open = async function* ({ signal }) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
      yield []
    }
    const resume = made.pipeline.resume()
    await settle()
    made.source.open = open
    store.leases.set('bench', { epoch: 9, holder: 'another', expiresAt: Date.now() + 60_000 })
    await vi.advanceTimersByTimeAsync(ttlMs)
    await resume
    expect([made.pipeline.state, made.leases]).toEqual(['standby', ['acquired 1', 'lost 1 CDC_FENCED']])
  })
})

describe('start', () => {
  test('opens the sink before the lease is asked for, and tells it how to ask whether it may publish', async () => {
    const store = new LeasingStore()
    const made = instance(store)
    let mayPublish: (() => boolean) | undefined
    Object.assign(made.sink, {
      open: async (options: { mayPublish?: () => boolean }) => {
        expect(store.leases.size).toBe(0)
        mayPublish = options.mayPublish
        expect(mayPublish?.()).toBe(false)
      },
    })
    made.source.give([])
    await made.pipeline.start()
    expect(mayPublish?.()).toBe(true)
    vi.setSystemTime(Date.now() + 60_000)
    expect(mayPublish?.()).toBe(false)
  })

  test('waits for a store that is away, and tells where it was stuck', async () => {
    const store = new LeasingStore()
    store.error = new Error('away')
    const { pipeline } = instance(store, { startTimeoutMs: 5_000 })
    const start = expect(pipeline.start()).rejects.toMatchObject({
      code: 'CDC_START_TIMEOUT',
      message: expect.stringContaining('got stuck at acquiring the lease: away'),
    })
    await vi.advanceTimersByTimeAsync(4_000)
    expect(pipeline.health()).toMatchObject({ state: 'starting', reasons: ['lease'], lease: { error: 'away' } })
    await vi.advanceTimersByTimeAsync(1_000)
    await start
  })

  test('that found another instance is through: a later failure is told by `done`', async () => {
    const store = new LeasingStore()
    const first = await leading(store)
    const second = await standing(store)
    const done = expect(second.pipeline.done).rejects.toMatchObject({ message: 'broken' })
    await first.pipeline.stop()
    second.source.give(new Error('broken'))
    await vi.advanceTimersByTimeAsync(ttlMs)
    await done
    expect(second.pipeline.state).toBe('failed')
    expect(store.leases.get('bench')?.holder).toBeUndefined()
  })

  test('gives back a lease that comes only after a stop', async () => {
    const store = new LeasingStore()
    let open = (): void => {}
    store.gate = call =>
      call === 'acquire'
        ? new Promise(resolve => {
            open = resolve
          })
        : undefined
    const { pipeline } = instance(store)
    const start = expect(pipeline.start()).rejects.toMatchObject({ code: 'CDC_START_ABORTED' })
    await settle()
    const stop = pipeline.stop()
    await settle()
    open()
    await Promise.all([start, stop])
    expect(store.leases.get('bench')).toMatchObject({ holder: undefined })
  })
})

/** A store whose answers to `acquire` are held back until the test lets them go. */
function slowStore(): { readonly store: LeasingStore; readonly answer: () => void; readonly calls: string[] } {
  const store = new LeasingStore()
  const held: (() => void)[] = []
  const calls: string[] = []
  const { acquire } = store
  store.acquire = async request => {
    const given = await acquire.call(store, request)
    await new Promise<void>(resolve => held.push(resolve))
    return given
  }
  store.gate = call => {
    calls.push(call)
    return undefined
  }
  return { store, answer: () => held.shift()?.(), calls }
}

describe('a lease that is answered late', () => {
  test('so late that its time is over, begins nothing, and is given back', async () => {
    const { store, answer } = slowStore()
    const made = instance(store)
    const opens: unknown[] = []
    const { open } = made.source
    made.source.open = options => {
      opens.push(options.after)
      return open.call(made.source, options)
    }
    const start = made.pipeline.start()
    await vi.advanceTimersByTimeAsync(ttlMs * 0.95)
    answer()
    await start
    expect([made.pipeline.state, opens, made.leases]).toEqual(['standby', [], []])
    expect(store.leases.get('bench')?.holder).toBeUndefined()
    made.source.give([])
    await vi.advanceTimersByTimeAsync(ttlMs / 10)
    answer()
    await settle()
    expect([made.pipeline.state, opens.length, made.leases]).toEqual(['running', 1, ['acquired 2']])
  })

  test.each(Array.from({ length: 12 }, (_, steps) => steps))(
    'is given back by a stop %i steps behind the answer',
    async steps => {
      const { store, answer, calls } = slowStore()
      const made = instance(store)
      made.source.give([])
      made.pipeline.start().catch(() => undefined)
      await settle()
      answer()
      for (let i = 0; i < steps; i += 1) await Promise.resolve()
      const stop = made.pipeline.stop()
      await vi.advanceTimersByTimeAsync(5_000)
      await stop
      const { opened } = made.source
      calls.length = 0
      await vi.advanceTimersByTimeAsync(ttlMs * 3)
      expect([calls, vi.getTimerCount(), made.source.opened]).toEqual([[], 0, opened])
      expect(store.leases.get('bench')?.holder).toBeUndefined()
    },
  )

  test('that the store does not take back ends neither later nor with an open store', async () => {
    const store = new LeasingStore()
    let closed = 0
    const { pipeline, source } = bench({
      lease,
      checkpointStore: Object.assign(store, { close: async () => void closed++ }),
    })
    source.give([])
    await pipeline.start()
    store.gate = call => (call === 'release' ? new Promise(() => {}) : undefined)
    let stopped = false
    void pipeline.stop().then(() => {
      stopped = true
    })
    await vi.advanceTimersByTimeAsync(1_500)
    expect([stopped, closed]).toEqual([true, 1])
  })

  test('does not keep the store open, though a last save hangs as well', async () => {
    const store = new LeasingStore()
    let closed = 0
    const { pipeline, give, sink } = bench({
      lease,
      checkpointStore: Object.assign(store, { close: async () => void closed++ }),
    })
    const started = pipeline.start()
    await give(record(1))
    await started
    await sink.sent[0]!.ack()
    store.gate = () => new Promise(() => {})
    Object.assign(sink, { close: () => new Promise(() => {}) })
    let stopped = false
    void pipeline.stop({ drainTimeoutMs: 0 }).then(() => {
      stopped = true
    })
    await vi.advanceTimersByTimeAsync(5_100)
    expect([stopped, closed]).toEqual([true, 1])
    await vi.advanceTimersByTimeAsync(20_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is given back before the store is closed', async () => {
    const { store, answer } = slowStore()
    const order: string[] = []
    store.gate = async call => {
      if (call !== 'release') return
      await new Promise(resolve => setTimeout(resolve, 100))
      order.push('released')
    }
    const { pipeline } = bench({
      lease,
      checkpointStore: Object.assign(store, { close: async () => void order.push('closed') }),
    })
    pipeline.start().catch(() => undefined)
    await settle()
    const stop = pipeline.stop()
    await settle()
    answer()
    await vi.advanceTimersByTimeAsync(1_000)
    await stop
    expect(order).toEqual(['released', 'closed'])
  })
})

describe('an instance without the option `lease`', () => {
  test('fails beside one that has it, instead of overwriting its position', async () => {
    const store = new LeasingStore()
    await leading(store)
    const { pipeline, source, sink, give } = bench({ checkpointStore: store }, { auto: true })
    const stopped = collect(pipeline, 'stopped')
    source.give([])
    await pipeline.start()
    const done = expect(pipeline.done).rejects.toMatchObject({ code: 'CDC_FENCED' })
    await give(record(1))
    await vi.advanceTimersByTimeAsync(1_000)
    await done
    expect(stopped).toMatchObject([{ reason: 'checkpoint', error: { code: 'CDC_FENCED' } }])
    expect([store.saves, sink.messages]).toEqual([[], [1]])
  })
})

describe('the option `lease`', () => {
  const { source, sink } = bench()
  const make = (lease: unknown, checkpointStore: CheckpointStore = new LeasingStore()) => {
    return () => createCdcPipeline({ name: 'x', source, sink, transform: () => null, checkpointStore, lease } as never)
  }

  test('needs a store that gives leases', () => {
    expect(make(lease, memoryCheckpointStore())).toThrow('Expected `checkpointStore` to give leases for `lease`')
    expect(make(lease)).not.toThrow()
    expect(make(undefined, memoryCheckpointStore())).not.toThrow()
  })

  test('takes a time from a second to ten minutes', () => {
    for (const ttlMs of [1_000, 600_000]) expect(make({ ttlMs })).not.toThrow()
    for (const ttlMs of [999, 600_001, 1_000.5, '30000', undefined]) {
      expect(make({ ttlMs })).toThrow('Expected `lease.ttlMs` to be a whole number from 1000 to 600000')
    }
    expect(make({ ttlMs: 1_000, ttl: 5 })).toThrow('Unknown option `ttl` of `lease`')
    expect(make(null)).toThrow('Expected the options of `lease` to be an object')
    expect(make([])).toThrow('Expected the options of `lease` to be an object')
  })
})
