import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InFlight, type InFlightEntry } from '../../../src/pipeline/in-flight.js'
import { position } from './support/records.js'

/** The model: everything that was ever read, in order, with nothing clever about it. */
interface Seen {
  readonly at: number
  readonly entry?: InFlightEntry
  bytes: number
  state: 'open' | 'settled' | 'filtered' | 'heartbeat'
}

const limits = { maxEvents: 5, maxBytes: 100 }

const command = fc.oneof(
  fc.record({ do: fc.constant('admit' as const), bytes: fc.integer({ min: 0, max: 150 }) }),
  fc.record({ do: fc.constant('heartbeat' as const) }),
  fc.record({ do: fc.constantFrom('settle' as const, 'filter' as const), pick: fc.nat() }),
  fc.record({ do: fc.constant('resize' as const), pick: fc.nat(), bytes: fc.integer({ min: 0, max: 150 }) }),
)

function expectModel(span: InFlight, seen: readonly Seen[]): void {
  const firstOpen = seen.findIndex(item => item.state === 'open')
  const prefix = firstOpen === -1 ? seen : seen.slice(0, firstOpen)
  const tail = firstOpen === -1 ? [] : seen.slice(firstOpen)
  const open = tail.filter(item => item.state === 'open')
  expect(span.settledPosition).toEqual(prefix.length === 0 ? undefined : position(prefix.at(-1)!.at))
  expect(span.count).toBe(tail.filter(item => item.state === 'open' || item.state === 'settled').length)
  expect(span.unsettled).toBe(open.length)
  expect(span.bytes).toBe(open.reduce((sum, item) => sum + item.bytes, 0))
  expect(span.settledEvents).toBe(prefix.filter(item => item.state === 'settled').length)
  expect(span.oldestTime).toBe(open[0]?.at)
}

describe('InFlight', () => {
  test('agrees with a plain list of everything read, whatever is settled or filtered in whichever order', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80 }), commands => {
        const span = new InFlight(limits)
        const seen: Seen[] = []
        let last = -1
        for (const [at, step] of commands.entries()) {
          const open = seen.filter(item => item.state === 'open')
          if (step.do === 'heartbeat') {
            span.heartbeat(position(at))
            seen.push({ at, bytes: 0, state: 'heartbeat' })
          } else if (step.do === 'admit') {
            const { bytes } = step
            const room = span.count === 0 || (span.count < limits.maxEvents && span.bytes + bytes <= limits.maxBytes)
            expect(span.hasRoom(bytes)).toBe(room)
            if (room) seen.push({ at, bytes, state: 'open', entry: span.admit(position(at), bytes, at) })
          } else if (open.length > 0) {
            const item = open[step.pick % open.length]!
            if (step.do === 'resize') {
              span.resize(item.entry!, step.bytes)
              item.bytes = step.bytes
            } else {
              span[step.do](item.entry!)
              item.state = step.do === 'settle' ? 'settled' : 'filtered'
            }
          }
          expectModel(span, seen)
          const settled = span.settledPosition?.clusterTime.t ?? -1
          expect(settled).toBeGreaterThanOrEqual(last) // I6: it never goes back
          last = settled
          expect(span.count).toBeLessThanOrEqual(limits.maxEvents) // I8
        }
      }),
      { numRuns: 800 },
    )
  }, 30_000)

  test('counts a confirmed event as long as an older one is not settled', () => {
    const span = new InFlight({ maxEvents: 2, maxBytes: 1000 })
    span.admit(position(1), 10, 1)
    const second = span.admit(position(2), 10, 2)
    span.settle(second)
    expect(span.count).toBe(2)
    expect(span.bytes).toBe(10)
    expect(span.hasRoom(1)).toBe(false)
    expect(span.settledPosition).toBeUndefined()
  })

  test('admits an event that is larger than the limit only alone', () => {
    const span = new InFlight({ maxEvents: 10, maxBytes: 100 })
    const small = span.admit(position(1), 1, 1)
    expect(span.hasRoom(500)).toBe(false)
    span.settle(small)
    expect(span.hasRoom(500)).toBe(true)
    span.admit(position(2), 500, 2)
    expect(span.hasRoom(0)).toBe(false)
    expect(span.peakBytes).toBe(500)
  })

  test('settles an entry only once, however often it is told', () => {
    const span = new InFlight(limits)
    const entry = span.admit(position(1), 10, 1)
    const other = span.admit(position(2), 10, 2)
    span.settle(other)
    span.settle(other)
    span.filter(other)
    span.settle(entry)
    span.resize(entry, 99)
    expect([span.count, span.unsettled, span.bytes, span.settledEvents]).toEqual([0, 0, 0, 2])
  })

  test('wakes a waiting reader when an eighth is free, and always when it is empty', () => {
    const span = new InFlight({ maxEvents: 16, maxBytes: 1000 })
    const entries = Array.from({ length: 16 }, (_, i) => span.admit(position(i), 1, i))
    span.settle(entries[0]!)
    expect(span.hasRoom(1)).toBe(true)
    expect(span.hasSlack()).toBe(false)
    span.settle(entries[1]!)
    expect(span.hasSlack()).toBe(true)
    const one = new InFlight({ maxEvents: 1, maxBytes: 1 })
    const only = one.admit(position(1), 50, 1)
    expect(one.hasSlack()).toBe(false)
    one.settle(only)
    expect(one.hasSlack()).toBe(true)
  })
})
