import { BSON, Long, type MongoClient, ObjectId, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import type { ChangeEvent } from '../../../src/source/reader.js'
import { patient, type RereadSetup, rereadDocument } from '../../../src/source/reread-document.js'
import { event, serverError } from './support.js'

interface Asked {
  readonly database: string
  readonly command: Record<string, unknown>
}

/** A server that answers with this event. */
function setupOf(answer: unknown, asked: Asked[] = [], stages: RereadSetup['stages'] = []): RereadSetup {
  const firstBatch = answer === undefined ? [] : [BSON.serialize(answer as object)]
  const db = (database: string) => ({
    command: async (command: Record<string, unknown>) => {
      asked.push({ database, command })
      return { cursor: { firstBatch } }
    },
  })
  return {
    client: { db } as unknown as MongoClient,
    stages,
    promoteValues: true,
    bson: BSON,
    timestamp: (t, i) => new Timestamp({ t, i }),
  }
}

const eventOf = (fields: object = {}): ChangeEvent => event(7, fields).event

describe('the document of an event', () => {
  it('is found by the whole key, not older than the event, and has passed the stages', async () => {
    const asked: Asked[] = []
    const stages = [{ $unset: 'fullDocument.card' }]
    const key = { _id: new ObjectId(), 'address.zip': '1010' }
    const cut = eventOf({ documentKey: key })
    const found = await rereadDocument(cut, setupOf({ fullDocument: { _id: key._id, a: 1 } }, asked, stages))
    expect(found?.document).toEqual({ _id: key._id, a: 1 })
    expect(found?.size).toBeGreaterThan(20)
    expect(asked).toEqual([
      {
        database: 'd',
        command: {
          aggregate: 'c',
          pipeline: [
            { $match: { _id: { $eq: key._id }, 'address.zip': { $eq: '1010' } } },
            { $limit: 1 },
            { $replaceWith: { $mergeObjects: [{ $literal: cut }, { fullDocument: '$$ROOT' }] } },
            ...stages,
            { $project: { fullDocument: 1 } },
          ],
          cursor: {},
          readConcern: { level: 'majority', afterClusterTime: new Timestamp({ t: 7, i: 1 }) },
          maxTimeMS: expect.any(Number),
        },
      },
    ])
  })

  it.each([
    ['there is none', undefined],
    ['a stage has taken it away', { _id: 1 }],
    ['it is another one, as by a collation', { fullDocument: { _id: 8 } }],
  ])('is none when %s', async (_, answer) => {
    expect(await rereadDocument(eventOf(), setupOf(answer))).toBeUndefined()
  })

  it.each([{ ns: undefined }, { ns: { db: 'd' } }, { documentKey: undefined }, { documentKey: {} }])(
    'is not asked for without a key: %j',
    async fields => {
      const asked: Asked[] = []
      expect(await rereadDocument(eventOf(fields), setupOf({}, asked))).toBeUndefined()
      expect(asked).toEqual([])
    },
  )

  it('is the same one when its id is the same number in another type, or was hidden by a stage', async () => {
    expect(await rereadDocument(eventOf(), setupOf({ fullDocument: { _id: Long.fromNumber(7) } }))).toBeDefined()
    expect(await rereadDocument(eventOf(), setupOf({ fullDocument: { a: 1 } }))).toBeDefined()
  })
})

describe('when the document can not be read', () => {
  const setup = setupOf(undefined)

  it.each([10334, 13, 40324, 2, 241])('it is done without, at once, for error %i', async code => {
    const reread = patient(() => Promise.reject(serverError(code)))
    expect(await reread(eventOf(), setup)).toBeUndefined()
  })

  it('a fault that passes is tried again, but not without end: the stream must go on', async () => {
    const reset = new Error('read ECONNRESET')
    const reread = patient(() => Promise.reject(reset))
    await expect(reread(eventOf(), setup)).rejects.toBe(reset)
    await expect(reread(eventOf(), setup)).rejects.toBe(reset)
    expect(await reread(eventOf(), setup)).toBeUndefined()
    await expect(reread(event(8).event, setup)).rejects.toBe(reset)
  })
})
