import { once } from 'node:events'
import { inspect } from 'node:util'
import { type Db, MongoClient } from 'mongodb'
import { describe, expect, inject, it } from 'vitest'
import { SourceError } from '../../src/errors.js'
import { ChangeStreamSource } from '../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../src/source/source-options.js'
import type { Position } from '../../src/types.js'
import { type AnyRecord, Reading, reading, withDatabase } from './support/mongo.js'

const uri = inject('mongoUri')
const readers = ['command', 'driver'] as const

type Given = Partial<ChangeStreamSourceOptions>

function sourceOf(db: Db, client: MongoClient, options: Given): ChangeStreamSource {
  return new ChangeStreamSource({ client, database: db.databaseName, maxAwaitTimeMS: 100, ...options })
}

/** Reads until `done`, or until it is tried again more often than going back to a time once would need. */
async function readUntil(
  source: ChangeStreamSource,
  after: Position | undefined,
  done: (stream: Reading) => boolean,
): Promise<void> {
  const stream = new Reading(source, after)
  let retries = 0
  source.on('retry', () => {
    if (++retries === 3) void stream.stop()
  })
  try {
    await stream.until(() => done(stream), 'a refusal')
  } finally {
    await stream.stop()
  }
}

/** The error with which a stream ends, when it neither goes on nor tries again. */
async function refusal(
  source: ChangeStreamSource,
  after?: Position,
  meanwhile?: () => Promise<unknown>,
): Promise<SourceError> {
  source.once('opened', () => meanwhile?.())
  const error: unknown = await readUntil(source, after, () => false).catch((thrown: unknown) => thrown)
  if (error instanceof SourceError) return error
  throw new Error('Expected a refusal', { cause: error })
}

function expectTyped(error: SourceError, code: string): void {
  expect(error.code).toBe(code)
  expect(error.retryable).toBe(false)
  expect(error.hint).toBeTruthy()
  expect(error.message.length).toBeGreaterThan(30)
}

/** Two events, so that a position behind the first has something to lose. */
async function twoEvents(db: Db, client: MongoClient): Promise<[AnyRecord, AnyRecord]> {
  return await reading(sourceOf(db, client, { collections: ['c'] }), async stream => {
    await db.collection('c').insertMany([{ n: 1 }, { n: 2 }])
    return (await stream.events(2)) as [AnyRecord, AnyRecord]
  })
}

describe.each(readers)('with the %s reader', reader => {
  it('a view is refused', () =>
    withDatabase(uri, async (db, client) => {
      await db.createCollection('view', { viewOn: 'c', pipeline: [] })
      expectTyped(await refusal(sourceOf(db, client, { collections: ['view'], reader })), 'CDC_WATCH_INVALID')
    }))

  it('a filter with an unknown operator is refused, in the words of the server', () =>
    withDatabase(uri, async (db, client) => {
      const pipeline = [{ $match: { n: { $like: 1 } } }]
      const error = await refusal(sourceOf(db, client, { pipeline, reader }))
      expectTyped(error, 'CDC_WATCH_INVALID')
      expect(error.message).toContain('$like')
    }))

  it.each([
    [{ $replaceRoot: { newRoot: '$fullDocument' } }],
    [{ $replaceWith: { $mergeObjects: ['$$ROOT', { _id: { _data: '82' } }] } }],
  ])('a stage that changes `_id` at run time stops the stream: %j', stage =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf(db, client, { pipeline: [stage], reader })
      const error = await refusal(source, undefined, () => db.collection('c').insertOne({ card: 'secret-card' }))
      expectTyped(error, 'CDC_EVENT_ID_LOST')
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/secret-card|82[0-9A-F]{16}|signature|lsid/)
    }),
  )

  it.each([
    [{ $addFields: { n: { $toInt: '$fullDocument.card' } } }],
    [{ $addFields: { n: { $dateFromString: { dateString: '$fullDocument.card' } } } }],
    [{ $addFields: { n: { $hour: { date: '$clusterTime', timezone: '$fullDocument.card' } } } }],
  ])('a stage that fails on a value is refused without telling the value: %j', stage =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf(db, client, { pipeline: [stage], reader })
      const told: unknown[] = []
      source.on('retry', ({ error }) => told.push(error, source.health()))
      const stream = await new Reading(source).stands()
      try {
        await db.collection('c').insertOne({ card: 'secret-card' })
        const refused = once(source as never, 'retry')
        void stream.events(1).catch(() => undefined)
        await refused
        expect(told).toHaveLength(2)
      } finally {
        await stream.stop()
      }
      expectTyped(told[0] as SourceError, 'CDC_WATCH_INVALID')
      expect(inspect(told, { depth: 9, showHidden: true })).not.toMatch(/secret-card|82[0-9A-F]{16}|signature|lsid/)
    }),
  )

  it('an image that is required but not stored stops the stream', () =>
    withDatabase(uri, async (db, client) => {
      const source = sourceOf(db, client, { fullDocumentBeforeChange: 'required', reader })
      const error = await refusal(source, undefined, async () => {
        await db.collection<{ _id: string }>('c').insertOne({ _id: 'secret-card' })
        await db.collection<{ _id: string; n?: number }>('c').updateOne({}, { $set: { n: 1 } })
      })
      expectTyped(error, 'CDC_IMAGE_MISSING')
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/secret-card|82[0-9A-F]{16}/)
    }))

  it('a damaged token never starts at now: it is refused, or everything behind it is read', () =>
    withDatabase(uri, async (db, client) => {
      const [first, second] = await twoEvents(db, client)
      const data = (first.position.token as { _data: string })._data
      const flipped = (at: number): string =>
        data.slice(0, at) +
        ((Number.parseInt(data[at] as string, 16) ^ 5) & 15).toString(16).toUpperCase() +
        data.slice(at + 1)
      const places = Array.from({ length: Math.floor(data.length / 5) }, (_, n) => n * 5)
      const damaged = [
        ...[
          '',
          'zz',
          '82',
          data.slice(0, 17),
          data.slice(0, 20),
          data.slice(0, -1),
          data.slice(0, -2),
          data.slice(0, 40),
        ],
        ...[`${data}00`, `${data}F`, 'F'.repeat(data.length), ...places.map(flipped)],
      ]
      const outcomes: Record<string, number> = {}
      for (const _data of damaged) {
        const source = sourceOf(db, client, { collections: ['c'], reader })
        const position = { ...first.position, token: { _data } }
        const outcome = await readUntil(source, position, ({ records }) =>
          records.some(({ id }) => id === second.id),
        ).then(
          () => 'read',
          (error: unknown) => (error instanceof SourceError ? error.code : `${_data}: ${inspect(error)}`),
        )
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      }
      const { read = 0, CDC_POSITION_INVALID = 0, ...others } = outcomes
      expect(others).toEqual({})
      expect(CDC_POSITION_INVALID).toBeGreaterThan(10)
      expect(read + CDC_POSITION_INVALID).toBe(damaged.length)
    }))

  it.each([{}, null, undefined, 'token', { _data: null }])('%j in the place of a token is refused', token =>
    withDatabase(uri, async (db, client) => {
      const [first] = await twoEvents(db, client)
      const source = sourceOf(db, client, { collections: ['c'], reader })
      expectTyped(await refusal(source, { ...first.position, token }), 'CDC_POSITION_INVALID')
    }),
  )

  it('a position ahead of the server is refused', () =>
    withDatabase(uri, async (db, client) => {
      const clusterTime = { t: Math.floor(Date.now() / 1000) + 3600, i: 1 }
      const source = sourceOf(db, client, { reader })
      expectTyped(await refusal(source, { kind: 'time', clusterTime }), 'CDC_POSITION_IN_FUTURE')
      const startAtOperationTime = new Date(Date.now() + 3_600_000)
      expectTyped(await refusal(sourceOf(db, client, { startAtOperationTime, reader })), 'CDC_POSITION_IN_FUTURE')
    }))

  it('a position of another replica set is refused, also of one with the same name', () =>
    withDatabase(uri, async (db, client) => {
      const [{ position }] = await twoEvents(db, client)
      const origin = { watch: '', deployment: '', ...position.origin }
      for (const foreign of [
        { ...origin, deployment: 'rs9' },
        { ...origin, deploymentId: 'f'.repeat(24) },
      ]) {
        const source = sourceOf(db, client, { collections: ['c'], reader })
        expectTyped(await refusal(source, { ...position, origin: foreign }), 'CDC_POSITION_FOREIGN')
      }
    }))
})

it('a replica set of another name, and a host without one, are waited for with a hint', async () => {
  const given = [
    ['replicaSet', uri.replace(/replicaSet=\w+/, 'replicaSet=rs9')],
    ['DNS', 'mongodb://db.invalid/'],
  ] as const
  for (const [hint, wrong] of given) {
    const client = new MongoClient(wrong, { serverSelectionTimeoutMS: 300 })
    const source = new ChangeStreamSource({ client })
    const stop = new AbortController()
    source.once('retry', ({ error }) => stop.abort(error))
    const error: unknown = await source.startPosition({ signal: stop.signal }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CDC_SOURCE_UNAVAILABLE', hint: expect.stringContaining(hint) })
    expect(source.health().error).toContain(hint)
    await client.close()
  }
})
