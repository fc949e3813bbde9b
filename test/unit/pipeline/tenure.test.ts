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
function begin(renew: Lease['renew'] = async () => true) {
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
    stopwatch(),
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

  test('is over when a renewal has no answer at all', async () => {
    const { lost } = begin(() => new Promise(() => {}))
    await vi.advanceTimersByTimeAsync(27_000)
    expect(lost).toMatchObject([[27_000, { code: 'CDC_LEASE_EXPIRED' }]])
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

  test('that is given up is not renewed any more, and tells nothing', async () => {
    const { tenure, renewals, lost, released } = begin()
    await tenure.release()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([tenure.mayPublish(), renewals, lost, released()]).toEqual([false, [], [], 1])
  })
})
