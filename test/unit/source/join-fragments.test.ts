import fc from 'fast-check'
import { Int32 } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { joinFragments } from '../../../src/source/join-fragments.js'
import type { ChangeEvent, RawEvent, Reader, ReaderBatch } from '../../../src/source/reader.js'
import { event, token } from './support.js'

/** Tokens of a time, in the order of the stream: the second number is that of the part. */
const partToken = (t: number, part: number) => ({ _data: `${token(t, t)._data}${String(part).padStart(2, '0')}` })

/** An event as a server sends it in parts: each has some of its fields, and a token of its own. */
function fragments(whole: RawEvent, t: number, of: number, number = (n: number): unknown => n): RawEvent[] {
  const { _id, ...fields } = whole.event
  return Array.from({ length: of }, (_, index) => {
    const some = Object.entries(fields).filter((_, place) => place % of === index)
    const splitEvent = { fragment: number(index + 1), of: number(of) }
    const part = { _id: partToken(t, index), splitEvent, ...Object.fromEntries(some) }
    return { event: part as unknown as ChangeEvent, size: 10 }
  })
}

function readerOf(...batches: (ReaderBatch | Error)[]): Reader {
  return {
    async nextBatch() {
      const batch = batches.shift()
      if (batch instanceof Error) throw batch
      return batch ?? { events: [], closed: false }
    },
    close: async () => {},
  }
}

const batchOf = (events: RawEvent[]): ReaderBatch => {
  const highWaterMark = events.at(-1)?.event._id
  return { events, closed: false, ...(highWaterMark && { highWaterMark }) }
}

async function readAll(reader: Reader, count: number): Promise<ReaderBatch[]> {
  const batches: ReaderBatch[] = []
  for (let n = 0; n < count; n++) batches.push(await reader.nextBatch(1))
  return batches
}

describe('an event that comes in parts', () => {
  it('is the event that would have come whole, with the id of its first part and the token of its last', async () => {
    const whole = event(2, { fullDocument: { a: 1 }, fullDocumentBeforeChange: { a: 0 } })
    const [read] = await readAll(joinFragments(readerOf(batchOf(fragments(whole, 2, 3)))), 1)
    expect(read?.events).toEqual([
      {
        event: { ...whole.event, _id: partToken(2, 2) },
        size: 30,
        id: partToken(2, 0)._data,
        oversized: 'split',
      },
    ])
    expect(read?.highWaterMark).toEqual(partToken(2, 2))
  })

  it('is joined also where numbers keep their types', async () => {
    const parts = fragments(event(2), 2, 2, n => new Int32(n))
    const [read] = await readAll(joinFragments(readerOf(batchOf(parts))), 1)
    expect(read?.events.map(({ oversized }) => oversized)).toEqual(['split'])
  })

  it('is looked for without decoding events that have no such field', async () => {
    const unread: RawEvent = {
      size: 10,
      mayHave: name => name !== 'splitEvent',
      get event(): never {
        throw new Error('It was decoded')
      },
    }
    const [read] = await readAll(joinFragments(readerOf({ events: [unread], closed: false })), 1)
    expect(read?.events).toHaveLength(1)
    expect(read?.events[0]).toBe(unread)
  })

  it('is whole whatever batches its parts come in, and no mark lies between them', async () => {
    const history = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(history, fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 40 }), async (sizes, cuts) => {
        const wholes = sizes.map((_, index) => event(index + 2, { fullDocument: { index } }))
        const parts = wholes.flatMap((whole, index) => {
          const of = sizes[index] ?? 1
          return of === 1 ? [whole] : fragments(whole, index + 2, of)
        })
        const ends = new Set(
          wholes.map((whole, index) => {
            const of = sizes[index] ?? 1
            return of === 1 ? whole.event._id._data : partToken(index + 2, of - 1)._data
          }),
        )
        const batches: ReaderBatch[] = []
        for (let at = 0, n = 0; at < parts.length; n++) {
          const length = n < cuts.length ? (cuts[n] ?? 1) : 1
          batches.push(batchOf(parts.slice(at, at + length)))
          at += length
        }
        const read = await readAll(joinFragments(readerOf(...batches)), batches.length)
        const events = read.flatMap(batch => batch.events.map(({ event: { _id, ...fields } }) => fields))
        expect(events).toEqual(wholes.map(({ event: { _id, ...fields } }) => fields))
        for (const { events: some, highWaterMark } of read) {
          for (const raw of some) expect(ends).toContain(raw.event._id._data)
          if (highWaterMark) expect(ends).toContain(highWaterMark._data)
        }
      }),
    )
  })

  it('begins anew when its first part comes again, as after a resume of the driver', async () => {
    const whole = event(2, { fullDocument: { a: 1 } })
    const parts = fragments(whole, 2, 2)
    const [read] = await readAll(joinFragments(readerOf(batchOf([...parts.slice(0, 1), ...parts]))), 1)
    expect(read?.events.map(({ event: { fullDocument }, size }) => [fullDocument, size])).toEqual([[{ a: 1 }, 20]])
  })

  it('is read again where a part is missing: never a half one, and nothing is passed over', async () => {
    const [first, second, third] = fragments(event(2), 2, 3) as [RawEvent, RawEvent, RawEvent]
    for (const events of [
      [first, third],
      [first, second, event(3)],
    ]) {
      const read = readAll(joinFragments(readerOf(batchOf(events))), 1)
      await expect(read).rejects.toMatchObject({ code: 'CDC_SOURCE_UNAVAILABLE', retryable: true })
    }
  })

  it('is looked for at its time where the position lies inside of it', async () => {
    const [, second] = fragments(event(2), 2, 2) as [RawEvent, RawEvent]
    const read = readAll(joinFragments(readerOf(batchOf([second]))), 1)
    await expect(read).rejects.toMatchObject({ code: 'CDC_POSITION_NOT_FOUND' })
  })
})

it('leaves batches alone that hold no parts, also where a stage of the user makes a field of that name', async () => {
  const batch = batchOf([event(2), event(3, { splitEvent: 'x' }), event(4, { splitEvent: { of: 2 } })])
  const [read] = await readAll(joinFragments(readerOf(batch)), 1)
  expect(read).toBe(batch)
})

it('names of fields are data', async () => {
  const [first, second] = fragments(event(2), 2, 2) as [RawEvent, RawEvent]
  const withName = { ...first, event: { ...first.event, ...JSON.parse('{"__proto__":{"polluted":1}}') } }
  const [read] = await readAll(joinFragments(readerOf(batchOf([withName, second]))), 1)
  const joined = read?.events[0]?.event
  expect(Object.hasOwn(joined ?? {}, '__proto__')).toBe(true)
  expect((joined as unknown as { polluted?: number }).polluted).toBeUndefined()
})
