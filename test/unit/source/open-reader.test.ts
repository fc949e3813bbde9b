import { BSON, Long, type MongoClient, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { SourceError } from '../../../src/errors.js'
import { ChangeStreamSource } from '../../../src/source/change-stream-source.js'
import type { ChangeStreamSourceOptions } from '../../../src/source/source-options.js'
import type { SourceRecord } from '../../../src/types.js'
import { serverError, token } from './support.js'

type Command = Record<string, unknown> & { readonly pipeline?: readonly object[] }
type Reply = (command: Command) => unknown

const hello = { setName: 'rs0', me: 'a:1', localTime: new Date(), operationTime: { t: 50, i: 1 } }

/** A server of this version; `reply` answers to all but what every server answers alike. */
function clientOf(versionArray: readonly number[], reply: Reply, commands: Command[]): MongoClient {
  const db = () => ({
    command: async (command: Command) => {
      commands.push(command)
      if ('hello' in command) return hello
      if ('replSetGetConfig' in command) throw serverError(13)
      if ('buildInfo' in command) return { versionArray }
      return await reply(command)
    },
  })
  const session = { endSession: async () => undefined }
  const client = { connect: async () => client, db, startSession: () => session, options: {}, readPreference: {} }
  return client as unknown as MongoClient
}

const opened = { cursor: { id: Long.fromNumber(7), ns: 'd.c', firstBatch: [] } }
const nextBatch = (...events: object[]): object => ({
  cursor: { id: Long.fromNumber(7), ns: 'd.c', nextBatch: events.map(event => BSON.serialize(event)) },
})

const pipelines = (commands: readonly Command[]): unknown[] =>
  commands.flatMap(({ pipeline }) => (pipeline === undefined ? [] : [pipeline.slice(1)]))

interface Read {
  readonly records: SourceRecord<unknown>[]
  readonly told: unknown[]
  readonly retries: unknown[]
}

async function read(
  client: MongoClient,
  count: number,
  options: Partial<ChangeStreamSourceOptions> = {},
): Promise<Read> {
  const abort = new AbortController()
  const retry = { minDelayMs: 1, maxDelayMs: 1 }
  const source = new ChangeStreamSource({
    client,
    database: 'd',
    collections: ['c'],
    reader: 'command',
    retry,
    ...options,
  })
  const told: unknown[] = []
  const retries: unknown[] = []
  source.on('oversized', one => told.push(one))
  source.on('retry', ({ error }) => retries.push(error))
  const records: SourceRecord<unknown>[] = []
  const after = { kind: 'time', clusterTime: { t: 1, i: 1 } } as const
  for await (const some of source.open({ signal: abort.signal, after })) {
    records.push(...some)
    if (records.filter(({ event }) => event).length >= count) break
  }
  return { records, told, retries }
}

const SPLIT = { $changeStreamSplitLargeEvent: {} }
const common = { operationType: 'update', ns: { db: 'd', coll: 'c' }, clusterTime: new Timestamp({ t: 9, i: 1 }) }

describe('a server that sends large events in parts', () => {
  const parts = [
    { _id: token(9, 0), splitEvent: { fragment: 1, of: 3 }, ...common, documentKey: { _id: 1 } },
    { _id: token(9, 1), splitEvent: { fragment: 2, of: 3 }, fullDocument: { _id: 1, a: 1 } },
    { _id: token(9, 2), splitEvent: { fragment: 3, of: 3 }, updateDescription: { updatedFields: { a: 1 } } },
  ]

  it('is asked to, by the last stage, and the event arrives whole', async () => {
    const commands: Command[] = []
    const answers = [nextBatch(parts[0] as object, parts[1] as object), nextBatch(parts[2] as object)]
    const client = clientOf(
      [7, 0, 0],
      command => ('getMore' in command ? (answers.shift() ?? nextBatch()) : opened),
      commands,
    )
    const pipeline = [{ $match: { operationType: 'update' } }]
    const { records, told } = await read(client, 1, { pipeline })
    expect(pipelines(commands)).toEqual([[...pipeline, SPLIT]])
    expect(records).toHaveLength(1)
    expect(records[0]).toMatchObject({
      id: token(9, 0)._data,
      key: 'd.c/n1',
      position: { kind: 'event', token: token(9, 2) },
      event: { operationType: 'update', fullDocument: { a: 1 }, updateDescription: { updatedFields: { a: 1 } } },
    })
    expect(records[0]?.event).not.toHaveProperty('splitEvent')
    expect(told).toEqual([{ clusterTime: { t: 9, i: 1 }, id: token(9, 0)._data, outcome: 'split' }])
  })

  it('is opened again before the event when it breaks within: no position lies between the parts', async () => {
    const commands: Command[] = []
    const answers = [nextBatch(parts[0] as object), new Error('read ECONNRESET'), nextBatch(...parts)]
    const reply: Reply = command => {
      const answer = 'getMore' in command ? (answers.shift() ?? nextBatch()) : opened
      if (answer instanceof Error) throw answer
      return answer
    }
    const { records } = await read(clientOf([6, 0, 9], reply, commands), 1)
    expect(records.map(({ id }) => id)).toEqual([token(9, 0)._data])
    const starts = commands.flatMap(({ pipeline }) => pipeline?.slice(0, 1) ?? [])
    expect(starts).toEqual(Array(2).fill({ $changeStream: { startAtOperationTime: new Timestamp({ t: 1, i: 1 }) } }))
  })

  it.each(['reread', 'key-only'] as const)('is not asked to with `oversized: %s`', async oversized => {
    const commands: Command[] = []
    const whole = nextBatch({ _id: token(9, 9), ...common })
    await read(
      clientOf([7, 0, 0], command => ('getMore' in command ? whole : opened), commands),
      1,
      { oversized },
    )
    expect(pipelines(commands)).toEqual([[]])
    expect(commands.some(command => 'buildInfo' in command)).toBe(false)
  })
})

describe('a server that does not', () => {
  const whole = nextBatch({ _id: token(9, 9), ...common })

  it('is not asked to: MongoDB before 6.0.9', async () => {
    const commands: Command[] = []
    await read(
      clientOf([6, 0, 5], command => ('getMore' in command ? whole : opened), commands),
      1,
    )
    expect(pipelines(commands)).toEqual([[]])
  })

  it('and says that it is newer is asked once, and then without', async () => {
    const commands: Command[] = []
    const unknown = serverError(304, "Aggregation stage not supported: '$changeStreamSplitLargeEvent'")
    const reply: Reply = command => {
      if ('getMore' in command) return whole
      if (command.pipeline?.length === 2) throw unknown
      return opened
    }
    const { records, retries } = await read(clientOf([8, 0, 0], reply, commands), 1)
    expect(records).toHaveLength(1)
    expect(retries).toEqual([expect.any(SourceError)])
    expect(pipelines(commands)).toEqual([[SPLIT], []])
  })
})
