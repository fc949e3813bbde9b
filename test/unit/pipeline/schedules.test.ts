import { describe, expect, test } from 'vitest'
import { createCdcPipeline } from '../../../src/pipeline/create-cdc-pipeline.js'
import type { Ordering } from '../../../src/pipeline/pipeline-options.js'
import { seeded, tick } from './support/random.js'
import type { TestEvent } from './support/records.js'
import { type TestMessage, World, type WorldOptions } from './support/world.js'

const maxInFlight = 8

interface Run {
  readonly world: World
  /** Upper bound of the messages that may have arrived twice. */
  readonly mayRepeat: number
}

/**
 * Runs processes against one world, each until it is stopped or crashes at a random moment, the last to the end; with
 * `pauses` they are paused and resumed at random moments in any order meanwhile.
 */
async function play(
  options: WorldOptions,
  ordering: Ordering<TestEvent>,
  crashes: boolean,
  pauses = false,
): Promise<Run> {
  const { random } = options
  const world = new World(options)
  let mayRepeat = 0
  for (let life = 0; ; life += 1) {
    const last = life >= 3
    const pipeline = createCdcPipeline({
      name: 'schedules',
      source: world.source(),
      transform: world.transform(),
      sink: world.sink(),
      checkpointStore: world.store(),
      ordering,
      maxInFlight,
      maxAttempts: 1000,
      transformConcurrency: 1 + Math.floor(random() * 4),
      maxUnsavedEvents: 10,
      checkpointIntervalMs: 1 + Math.floor(random() * 5),
      idleCheckpointIntervalMs: 2,
      retry: { minDelayMs: 1, maxDelayMs: 2 },
      onFailedEvent: 'dead-letter',
      deadLetter: { message: ({ event }) => ({ n: event.n, index: -1 }) },
    })
    await pipeline.start()
    const enough = world.allExpected.length
    for (let ticks = Math.floor(random() * 40); ticks > 0 || (last && world.acked.size < enough); ticks -= 1) {
      await tick()
      if (pauses && random() < 0.1) void pipeline.pause()
      if (pauses && random() < 0.15) void pipeline.resume()
    }
    const { inFlight, unsavedEvents, peakInFlight } = pipeline.stats()
    expect(peakInFlight).toBeLessThanOrEqual(maxInFlight)
    const crash = crashes && !last && random() < 0.5
    if (crash) {
      mayRepeat += (inFlight + unsavedEvents) * 2
      world.crash()
    }
    const { drained } = await pipeline.stop(crash ? { drainTimeoutMs: 0 } : {})
    if (!crash) expect(drained).toBe(true)
    if (last) return { world, mayRepeat }
  }
}

function firstArrivals(world: World): Map<string, number> {
  const first = new Map<string, number>()
  world.arrivals.forEach(({ n, index }, at) => {
    if (!first.has(`${n}/${index}`)) first.set(`${n}/${index}`, at)
  })
  return first
}

/** No loss, nothing invented, one id per message, duplicates within the bound. */
function expectDelivered({ world, mayRepeat }: Run): void {
  expect(world.violations).toEqual([])
  const first = firstArrivals(world)
  expect([...first.keys()].sort()).toEqual(world.allExpected.map(({ n, index }) => `${n}/${index}`).sort())
  expect(world.arrivals.length - first.size).toBeLessThanOrEqual(mayRepeat)
  const ids = new Map<string, string>()
  for (const { n, index, id } of world.arrivals) {
    expect(ids.get(`${n}/${index}`) ?? id).toBe(id)
    ids.set(`${n}/${index}`, id)
  }
  expect(new Set(ids.values()).size).toBe(ids.size)
}

/** First arrivals go in stream order within a lane, and a barrier lies between all before it and all after it. */
function expectOrder(world: World, laneOf: (event: TestEvent) => string | undefined): void {
  const first = firstArrivals(world)
  const last = new Map<string, number>()
  let newest = -1
  let barrier = -1
  for (const [i, { event }] of world.log.entries()) {
    const at = world.expected(i + 1).map(({ n, index }: TestMessage) => first.get(`${n}/${index}`)!)
    if (!event || at.length === 0) continue
    const lane = laneOf(event)
    expect(Math.min(...at)).toBeGreaterThan(lane === undefined ? newest : Math.max(barrier, last.get(lane) ?? -1))
    newest = Math.max(newest, ...at)
    if (lane === undefined) barrier = newest
    else last.set(lane, Math.max(...at))
  }
}

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

describe('under random schedules of confirms, nacks, failures, filters, fan-out, barriers, stops and crashes', () => {
  test('nothing is lost, each document stays in order, and no saved position passes an unsettled event', async () => {
    let repeated = 0
    for (const seed of seeds(120)) {
      const run = await play(
        { random: seeded(seed), events: 120, keys: 5, nack: 0.1, flaky: 0.05 },
        'document',
        true,
      ).catch(error => Promise.reject(new Error(`seed ${seed}`, { cause: error })))
      expectDelivered(run)
      expectOrder(run.world, event => event.key)
      repeated += run.world.arrivals.length - firstArrivals(run.world).size
    }
    expect(repeated).toBeGreaterThan(0) // or the crashes would prove nothing
  }, 30_000)

  test('nothing arrives twice when every stop is a clean one', async () => {
    for (const seed of seeds(40)) {
      const run = await play({ random: seeded(seed), events: 100, keys: 3, nack: 0.1, flaky: 0.05 }, 'document', false)
      expect(run.mayRepeat).toBe(0)
      expectDelivered(run)
    }
  }, 30_000)

  test('an ordering function decides which events wait for each other', async () => {
    for (const seed of seeds(30)) {
      const lane = (event: TestEvent): string | undefined => (event.n % 11 === 0 ? undefined : `lane${event.n % 2}`)
      const run = await play({ random: seeded(seed), events: 80, keys: 50, nack: 0.1, flaky: 0 }, lane, true)
      expectDelivered(run)
      expectOrder(run.world, event => event.key && lane(event))
    }
  }, 30_000)

  test('pipelined publishing keeps the order of the stream as long as nothing is refused', async () => {
    for (const seed of seeds(40)) {
      const run = await play({ random: seeded(seed), events: 120, keys: 3, nack: 0, flaky: 0 }, 'pipelined', true)
      expectDelivered(run)
      expectOrder(run.world, () => 'one lane for all')
    }
  }, 30_000)

  test('no saved position passes a failed event before its dead letter is confirmed, and each letter has one id', async () => {
    let letters = 0
    for (const seed of seeds(60)) {
      const options = { random: seeded(seed), events: 100, keys: 4, nack: 0.1, flaky: 0.05, poison: true }
      const run = await play(options, 'document', true)
      expectDelivered(run)
      expectOrder(run.world, event => event.key)
      letters += run.world.arrivals.filter(({ index }) => index === -1).length
    }
    expect(letters).toBeGreaterThan(1000)
  }, 30_000)

  test('pausing and resuming at any moment, in any order, loses nothing and repeats nothing', async () => {
    for (const seed of seeds(60)) {
      const options = { random: seeded(seed), events: 100, keys: 4, nack: 0.1, flaky: 0.05, poison: seed % 2 === 0 }
      const run = await play(options, 'document', false, true)
      expect(run.mayRepeat).toBe(0)
      expectDelivered(run)
      expectOrder(run.world, event => event.key)
    }
  }, 30_000)

  test('failed events hold up the turns of a pipelined stream, and lose nothing of it', async () => {
    for (const seed of seeds(40)) {
      const options = { random: seeded(seed), events: 100, keys: 3, nack: 0.05, flaky: 0.05, poison: true }
      expectDelivered(await play(options, 'pipelined', true, seed % 2 === 0))
    }
  }, 30_000)
})
