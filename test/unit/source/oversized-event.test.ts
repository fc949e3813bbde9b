import { describe, expect, it } from 'vitest'
import { documentImageOf } from '../../../src/document-image.js'
import { type Approaching, approach, nextApproach, stagesOf } from '../../../src/source/oversized-event.js'
import type { Reader, ReaderBatch } from '../../../src/source/reader.js'
import { batch, event, token } from './support.js'

function readerOf(...batches: ReaderBatch[]): Reader & { closed: boolean } {
  const reader = {
    closed: false,
    nextBatch: async () => batches.shift() ?? batch(),
    close: async () => {
      reader.closed = true
    },
  }
  return reader
}

const approaching = (given: Partial<Approaching> = {}): Approaching => ({
  within: 1000,
  reread: async () => undefined,
  ...given,
})

it('what is large goes step by step, and the key never', () => {
  expect(stagesOf('batches')).toEqual([])
  expect(stagesOf('one-by-one')).toEqual([])
  expect(stagesOf('cut')).toEqual([
    { $project: { fullDocument: 0, fullDocumentBeforeChange: 0, updateDescription: 0 } },
  ])
  expect(stagesOf('key')).toEqual([{ $project: expect.objectContaining({ operationType: 1, ns: 1, documentKey: 1 }) }])
  expect(nextApproach('key')).toBeUndefined()
})

it('a stream in batches is left alone', () => {
  const reader = readerOf()
  expect(approach(reader, 'batches', approaching())).toBe(reader)
})

it('one by one ends behind as many events as a batch may have: the event must have been among them', async () => {
  const reader = approach(
    readerOf(batch(), batch(2), batch(3), batch(), batch(4)),
    'one-by-one',
    approaching({ within: 3 }),
  )
  const handovers: unknown[] = []
  for (let n = 0; n < 5; n++) handovers.push((await reader.nextBatch(1)).handover)
  expect(handovers).toEqual([undefined, undefined, undefined, undefined, true])
})

describe.each(['cut', 'key'] as const)('the approach "%s"', how => {
  it('passes what comes before the event, then the event alone, and hands over', async () => {
    const mark = { ...batch(), highWaterMark: token(2) }
    const raw = readerOf(mark, { ...batch(3, 4), highWaterMark: token(5) })
    const reader = approach(raw, how, approaching())
    expect(await reader.nextBatch(1)).toBe(mark)
    const last = await reader.nextBatch(1)
    expect(last).toEqual({
      events: [{ ...event(3), event: expect.anything(), oversized: 'key-only' }],
      closed: false,
      handover: true,
    })
    expect(documentImageOf(last.events[0]?.event)).toBe('oversized')
    await reader.close()
    expect(raw.closed).toBe(true)
  })

  it('puts in the document that was found, and says so', async () => {
    const reread = async () => ({ document: { a: 1 }, size: 50 })
    const { events } = await approach(readerOf(batch(3)), how, approaching({ reread })).nextBatch(1)
    expect(events).toMatchObject([{ event: { fullDocument: { a: 1 } }, size: 150, oversized: 'reread' }])
    expect(documentImageOf(events[0]?.event)).toBe('re-read')
  })

  it('keeps that the cursor was closed behind the event', async () => {
    const { closed } = await approach(readerOf({ ...batch(3), closed: true }), how, approaching()).nextBatch(1)
    expect(closed).toBe(true)
  })
})
