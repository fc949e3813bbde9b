import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Stopwatch } from '../../../src/pipeline/stopwatch.js'

/** The clocks of a machine, with what can happen to them. */
class Machine {
  elapsed = 0
  #monotonic = 5_000
  #wall = 1_772_366_400_000
  readonly clocks = { monotonic: () => this.#monotonic, wall: () => Math.floor(this.#wall) }

  /** Time passes; `speed` is that of its clocks. */
  run(ms: number, speed = 1): void {
    this.elapsed += ms
    this.#monotonic += ms * speed
    this.#wall += ms * speed
  }

  /** Time passes that the monotonic clock doesn't see. */
  sleep(ms: number): void {
    this.elapsed += ms
    this.#wall += ms
  }

  /** Somebody sets the wall clock. */
  set(ms: number): void {
    this.#wall += ms
  }
}

const durations = fc.integer({ min: 0, max: 60_000 })
const happenings = fc.oneof(
  fc.record({
    kind: fc.constant('run' as const),
    ms: durations,
    speed: fc.double({ min: 0.95, max: 1.05, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('sleep' as const), ms: durations }),
  fc.record({ kind: fc.constant('set' as const), ms: fc.integer({ min: -100_000, max: 100_000 }) }),
)

test('a lease never counts as good when the server may have given it to another, whatever happens to the clocks', () => {
  fc.assert(
    fc.property(fc.array(happenings, { maxLength: 30 }), fc.integer({ min: 1_000, max: 60_000 }), (steps, ttlMs) => {
      const machine = new Machine()
      const stopwatch = new Stopwatch(machine.clocks)
      for (const step of steps) {
        if (step.kind === 'run') machine.run(step.ms, step.speed)
        else machine[step.kind](step.ms)
        // A tenth of the time is left unused: for clocks that are up to a twentieth too slow, and parts of milliseconds.
        if (stopwatch.elapsedMs < ttlMs * 0.9) expect(machine.elapsed).toBeLessThan(ttlMs)
      }
    }),
    { numRuns: 2000 },
  )
})

test('time that only passes is not counted twice, however often it is looked at', () => {
  const machine = new Machine()
  const stopwatch = new Stopwatch(machine.clocks)
  for (let look = 0; look < 10_000; look += 1) {
    machine.run(0.37)
    expect(Math.abs(stopwatch.elapsedMs - machine.elapsed)).toBeLessThanOrEqual(2)
  }
})

test('a wall clock that is set back once and forth again counts as a sleep of that time', () => {
  const machine = new Machine()
  const stopwatch = new Stopwatch(machine.clocks)
  machine.set(-3_000)
  expect(stopwatch.elapsedMs).toBe(0)
  machine.set(3_000)
  expect(stopwatch.elapsedMs).toBe(3_000)
  machine.set(-9_000)
  expect(stopwatch.elapsedMs).toBe(3_000)
})
