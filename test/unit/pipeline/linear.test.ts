import { expect, test } from 'vitest'
import { InFlight, type InFlightEntry } from '../../../src/pipeline/in-flight.js'
import { Lanes } from '../../../src/pipeline/lanes.js'
import { position } from './support/records.js'

interface Item {
  readonly key: string | undefined
  readonly entry: InFlightEntry
}

test('a million events go through span and lanes, all in one span, some in one lane, settled backwards', () => {
  const events = 1_000_000
  const span = new InFlight({ maxEvents: events, maxBytes: Number.MAX_SAFE_INTEGER })
  const lanes = new Lanes<Item>({ exclusive: true })
  const running: Item[] = []
  let started = 0
  const take = (items: readonly Item[]): void => {
    started += items.length
    for (const item of items) running.push(item)
  }
  for (let i = 0; i < events; i += 1) {
    const key = i % 100_000 === 99_999 ? undefined : i % 2 === 0 ? 'hot' : `k${i}`
    take(lanes.add({ key, entry: span.admit(position(i), 1, i) }))
  }
  // The newest first: with anything quadratic in here this would take hours, not a second.
  for (let item = running.pop(); item; item = running.pop()) {
    if (Number(item.entry.time) % 3 === 0) span.filter(item.entry)
    else span.settle(item.entry)
    take(lanes.finish(item))
  }
  expect(started).toBe(events)
  expect(span.peakCount).toBe(events)
  expect(span.count).toBe(0)
  expect(span.settledPosition).toEqual(position(events - 1))
}, 20_000)
