import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { CheckpointError } from '../../../src/errors.js'
import { Stopwatch, systemClocks } from '../../../src/pipeline/stopwatch.js'
import { Tenure } from '../../../src/pipeline/tenure.js'
import type { Lease } from '../../../src/types.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const ttlMs = 30_000
const stopwatch = (): Stopwatch => new Stopwatch(systemClocks)

/** A tenure that has just begun, and what it has told. */
function begin(renew: Lease['renew'] = async () => true, since: Stopwatch = stopwatch()) {
  const renewals: number[] = []
  const lost: [ms: number, error: CheckpointError][] = []
  const failing: unknown[] = []
  const startedAt = Date.now()
  let released = 0
  const lease: Lease = {
    epoch: 7,
    renew: () => {
      renewals.push(Date.now() - startedAt)
      return renew()
    },
    release: async () => {
      released += 1
    },
  }
  const tenure = new Tenure(
    lease,
    since,
    { ttlMs, random: () => 0.5, stopwatch },
    { lost: error => lost.push([Date.now() - startedAt, error]), failing: error => failing.push(error) },
  )
  return { tenure, renewals, lost, failing, released: () => released }
}

describe('a tenure', () => {
  test('is renewed each third of its time, and stays', async () => {
    const { tenure, renewals, lost } = begin()
    await vi.advanceTimersByTimeAsync(300_000)
    expect(renewals.slice(0, 3)).toEqual([10_000, 20_000, 30_000])
    expect([tenure.mayPublish(), lost]).toEqual([true, []])
  })

  test('is over a tenth of its time before the server can give it to another, while renewing fails', async () => {
    const error = new Error('away')
    const { tenure, renewals, lost, failing } = begin(() => Promise.reject(error))
    await vi.advanceTimersByTimeAsync(26_999)
    expect(tenure.mayPublish()).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(tenure.mayPublish()).toBe(false)
    expect(lost).toMatchObject([[27_000, { code: 'CDC_LEASE_EXPIRED', cause: error }]])
    expect(renewals.length).toBeGreaterThan(8)
    expect(failing).toHaveLength(renewals.length)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lost).toHaveLength(1)
  })

  test('is over when no renewal has an answer, and says so', async () => {
    const { lost } = begin(() => new Promise(() => {}))
    await vi.advanceTimersByTimeAsync(27_000)
    const message = expect.stringContaining('No answer to a renewal of the lease, which has 10000 ms for it')
    expect(lost).toMatchObject([[27_000, { code: 'CDC_LEASE_EXPIRED', message }]])
  })

  test('says that there was no answer also while the first renewal still waits for its own', async () => {
    const since = stopwatch()
    vi.setSystemTime(Date.now() + 20_000) // so long took the lease itself
    const { lost } = begin(() => new Promise(() => {}), since)
    await vi.advanceTimersByTimeAsync(7_000)
    expect(lost[0]?.[1].message).toContain('No answer to a renewal of the lease')
  })

  test('is renewed again when a renewal has no answer within a third of its time', async () => {
    let hangs = true
    const { renewals, failing, lost, tenure } = begin(() => (hangs ? new Promise(() => {}) : Promise.resolve(true)))
    await vi.advanceTimersByTimeAsync(19_999)
    expect([renewals, failing]).toEqual([[10_000], []])
    hangs = false
    await vi.advanceTimersByTimeAsync(3_001)
    expect(renewals).toHaveLength(2)
    expect(failing).toMatchObject([
      { error: { code: 'CDC_CHECKPOINT_FAILED', retryable: true }, attempt: 1, delayMs: expect.any(Number) },
      undefined,
    ])
    await vi.advanceTimersByTimeAsync(60_000)
    expect([tenure.mayPublish(), lost]).toEqual([true, []])
  })

  test('takes nothing back by the late answer of a renewal before the last one', async () => {
    let slow = true
    const { tenure } = begin(() => {
      const ms = slow ? 14_000 : 0
      slow = false
      return new Promise(resolve => setTimeout(() => resolve(true), ms))
    })
    await vi.advanceTimersByTimeAsync(23_500)
    const before = tenure.validForMs
    expect(before).toBeGreaterThan(20_000)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(tenure.validForMs).toBe(before - 1_000)
  })

  test('counts from before a renewal was sent, however late its answer is', async () => {
    const { tenure } = begin(() => new Promise(resolve => setTimeout(() => resolve(true), 16_000)))
    await vi.advanceTimersByTimeAsync(26_000)
    expect(tenure.validForMs).toBe(27_000 - 16_000)
  })

  test('does not come back by an answer that comes too late', async () => {
    const { tenure, lost } = begin(() => new Promise(resolve => setTimeout(() => resolve(true), 20_000)))
    await vi.advanceTimersByTimeAsync(31_000)
    expect(tenure.mayPublish()).toBe(false)
    expect(lost).toHaveLength(1)
  })

  test('is over when another has it', async () => {
    const { tenure, lost } = begin(async () => false)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(tenure.mayPublish()).toBe(false)
    expect(lost).toMatchObject([[10_000, { code: 'CDC_FENCED' }]])
  })

  test('is over at the first look behind a pause of the process, before any timer has run', async () => {
    const { tenure, lost } = begin()
    vi.setSystemTime(Date.now() + 60_000)
    expect(tenure.mayPublish()).toBe(false)
    expect(lost).toEqual([]) // not in the middle of publishing
    await Promise.resolve()
    expect(lost).toMatchObject([[60_000, { code: 'CDC_LEASE_EXPIRED' }]])
  })

  test('tells that it is renewed again, and is tried soon after a failure', async () => {
    let away = true
    const { renewals, failing, lost } = begin(async () => {
      if (away) throw new Error('away')
      return true
    })
    await vi.advanceTimersByTimeAsync(12_000)
    away = false
    await vi.advanceTimersByTimeAsync(3_000)
    expect(failing.at(-1)).toBeUndefined()
    expect(renewals[1]! - renewals[0]!).toBeLessThanOrEqual(3_000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lost).toEqual([])
  })

  test('that is given up keeps no timer, also when a renewal has no answer', async () => {
    const { tenure } = begin(() => new Promise(() => {}))
    await vi.advanceTimersByTimeAsync(10_000)
    await tenure.release()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that is given up is not renewed any more, and tells nothing', async () => {
    const { tenure, renewals, lost, released } = begin()
    await tenure.release()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([tenure.mayPublish(), renewals, lost, released()]).toEqual([false, [], [], 1])
  })
})
