import { expect, it } from 'vitest'
import { portionsOf } from '../../../src/source/portions.js'
import type { RawEvent } from '../../../src/source/reader.js'
import { recordsOf } from '../../../src/source/records.js'
import { batch, event, origin, start, token } from './support.js'

it('are of at most 64 events, in their order, and the last one has the mark', () => {
  const events = Array.from({ length: 130 }, (_, n) => event(n + 1))
  const all = [...portionsOf({ events: [...events], closed: false, highWaterMark: token(500) })]
  expect(all.map(portion => portion.events.length)).toEqual([64, 64, 2])
  expect(all.flatMap(portion => portion.events)).toEqual(events)
  expect(all.map(portion => portion.highWaterMark)).toEqual([undefined, undefined, token(500)])
})

it('are one for an empty batch: it shows that the stream stands, and may move the position', () => {
  expect([...portionsOf(batch())]).toEqual([{ events: [] }])
  expect([...portionsOf({ ...batch(), highWaterMark: token(5) })]).toEqual([{ events: [], highWaterMark: token(5) }])
})

it('are one for a whole portion, and not an empty one behind it', () => {
  const events = Array.from({ length: 64 }, (_, n) => event(n + 1))
  expect([...portionsOf({ events, closed: false })].map(portion => portion.events.length)).toEqual([64])
})

it('decode no event before its turn, and are taken out of the batch', () => {
  let decoded = 0
  const events = Array.from({ length: 200 }, (_, n): RawEvent => {
    const raw = event(n + 1)
    return {
      size: raw.size,
      get event() {
        decoded += 1
        return raw.event
      },
    }
  })
  const portions = portionsOf({ events, closed: false })
  const first = portions.next().value
  expect([decoded, events.length]).toEqual([0, 136])
  expect(recordsOf(first ?? { events: [] }, start, origin)).toHaveLength(64)
  expect(decoded).toBe(64)
})
