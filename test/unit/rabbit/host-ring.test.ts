import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HostRing } from '../../../src/rabbit/host-ring.js'

const backOff = { minDelayMs: 100, maxDelayMs: 30_000 }

/** Three hosts, a clock that moves by the delays alone, and the longest delay each time. */
function ring(size = 3) {
  let now = 0
  const hosts = new HostRing(
    size,
    backOff,
    () => 1,
    () => now,
  )
  return {
    hosts,
    fail(more: { slow?: boolean; stay?: boolean } = {}): [host: number, delayMs: number] {
      const delayMs = hosts.failed({ slow: false, stay: false, ...more })
      now += delayMs
      return [hosts.current, delayMs]
    },
  }
}

describe('several hosts', () => {
  it('are tried one right after the other, then with delays that grow for each', () => {
    const { fail } = ring()
    const tried = Array.from({ length: 7 }, () => fail())
    expect(tried).toEqual([
      ...[
        [1, 0],
        [2, 0],
        [0, 100],
      ],
      ...[
        [1, 0],
        [2, 0],
        [0, 200],
        [1, 0],
      ],
    ])
  })

  it('are not delayed by one that is refused for long', () => {
    const { fail } = ring()
    expect(fail({ slow: true })).toEqual([1, 0])
    const tried = Array.from({ length: 8 }, () => fail()[0])
    expect(tried).toEqual([2, 1, 2, 1, 2, 1, 2, 1])
  })

  it('start with the last good one after a loss', () => {
    const { hosts, fail } = ring()
    fail()
    hosts.succeeded()
    expect(fail({ stay: true })).toEqual([1, 100])
    expect(fail()).toEqual([2, 0])
  })

  it('forget the failures of one that was of use', () => {
    const { hosts, fail } = ring(1)
    expect([fail(), fail(), fail()].map(([, delayMs]) => delayMs)).toEqual([100, 200, 400])
    hosts.succeeded()
    expect(fail()).toEqual([0, 100])
  })

  it('never wait longer than the longest delay, and never ask one before its time', () => {
    const failures = fc.array(fc.record({ slow: fc.boolean(), stay: fc.boolean(), idleMs: fc.nat(60_000) }))
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        failures,
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        (size, all, random) => {
          let now = 0
          const failedAt: number[] = []
          const hosts = new HostRing(
            size,
            backOff,
            () => random.next().value,
            () => now,
          )
          for (const { idleMs, ...failure } of all) {
            failedAt[hosts.current] = now
            const delayMs = hosts.failed(failure)
            expect(delayMs).toBeGreaterThanOrEqual(0)
            expect(delayMs).toBeLessThanOrEqual(backOff.maxDelayMs)
            now += delayMs
            // At least half of the shortest delay, less what is rounded.
            expect(now - (failedAt[hosts.current] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(49)
            now += idleMs
          }
        },
      ),
    )
  })
})
