import { randomInt } from 'node:crypto'
import { BSON } from 'mongodb'
import { afterAll, describe, expect, it } from 'vitest'
import { bundle } from '../../faults/bundle.mjs'
import { fuzzDocuments, fuzzEvents } from '../../fuzz/fuzz.js'
import { plantedBugs, plantedInPipelines } from '../../fuzz/planted-bugs.js'
import { shrunk } from '../../fuzz/shrink.js'

// A slice of `npm run test:fuzz`, as large as fits into this time of the processor.
const DOCUMENTS_MS = 1_200
const EVENTS_MS = 800

/** Calls with numbers from 0 for so long; returns how often. */
async function forMs(budgetMs: number, run: (slice: number) => Promise<void> | void): Promise<number> {
  const since = process.cpuUsage()
  for (let slice = 0; ; slice++) {
    await run(slice)
    const { user, system } = process.cpuUsage(since)
    if ((user + system) / 1000 > budgetMs) return slice + 1
  }
}

describe('a slice of the fuzz', () => {
  const seed = randomInt(2 ** 31)
  const said: string[] = []
  afterAll(() => void process.stdout.write(`fuzz, from seed ${seed}: ${said.join(', ')}\n`))

  it('finds no random document that goes another way from bytes to bytes than over an object', async () => {
    const slices = await forMs(DOCUMENTS_MS, slice => expect(fuzzDocuments(seed + slice, 250)).toBeUndefined())
    said.push(`${slices * 250} documents`)
  })

  it('finds no random event that becomes another message when somebody has read its document', async () => {
    const slices = await forMs(EVENTS_MS, async slice => {
      const counts = await fuzzEvents(seed + slice, 50)
      // Ten messages of each at least, a delete has one more; and the point is that documents weren't read.
      expect(counts).toEqual({ messages: expect.any(Number), unread: expect.any(Number) })
      if (typeof counts === 'string') return
      expect(counts.messages).toBeGreaterThanOrEqual(500)
      expect(counts.unread).toBeGreaterThan(10)
    })
    said.push(`${slices * 50} events`)
  })
})

describe('the fuzz', () => {
  it.each(plantedBugs.map(bug => [bug.name, bug] as const))('finds a planted bug: %s', async (_, bug) => {
    const planted: { fuzzDocuments: typeof fuzzDocuments } = await import(await bundle('../fuzz/fuzz', bug))
    expect(planted.fuzzDocuments(1, 20_000)).toContain('decoded')
  })

  it('finds a bug that shows in whole pipelines alone', async () => {
    const planted: { fuzzEvents: typeof fuzzEvents } = await import(await bundle('../fuzz/fuzz', plantedInPipelines))
    expect(await planted.fuzzEvents(1, 50)).toContain('changeEventMessage')
  })

  it('takes away what a failure does not need', () => {
    const bytes = Buffer.from(BSON.serialize({ a: 1, b: { c: [1, { d: 2, e: 'x' }], f: 3 }, g: 4 }))
    const hasX = (candidate: Buffer): boolean => candidate.includes('\x02e\0')
    expect(BSON.deserialize(shrunk(bytes, hasX))).toEqual({ b: { c: [{ e: 'x' }] } })
  })
})
