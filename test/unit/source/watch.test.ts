import { BSON, Long } from 'mongodb'
import { describe, expect, it } from 'vitest'
import type { ChangeStreamSourceOptions } from '../../../src/source/source-options.js'
import { compileWatch, startOptions, type Watch } from '../../../src/source/watch.js'
import { resolved, token } from './support.js'

const watch = (options: Partial<ChangeStreamSourceOptions> = {}): Watch => compileWatch(resolved(options), [])

describe('the scope', () => {
  it('is one collection where only one is named', () => {
    const { database, collection, stages, options } = watch({ database: 'shop', collections: ['orders'] })
    expect([database, collection, stages, options]).toEqual(['shop', 'orders', [], {}])
  })

  it('is one collection also where the database is the only one of a list', () => {
    expect(watch({ databases: ['shop'], collections: ['orders'] })).toMatchObject({
      database: 'shop',
      collection: 'orders',
    })
  })

  it.each([
    { collections: ['a', 'b'] },
    { collections: [/a/] },
    { collections: ['a'], excludeCollections: ['b'] },
    { excludeCollections: ['b'] },
  ])('is the database where the collections are %j', lists => {
    const { database, collection, options } = watch({ database: 'shop', ...lists })
    expect([database, collection, options]).toEqual(['shop', undefined, {}])
  })

  it.each([{}, { databases: ['a', 'b'] }, { databases: [/a/] }, { excludeDatabases: ['a'] }, { collections: ['a'] }])(
    'is the deployment where the databases are %j',
    lists => {
      const { database, collection, options } = watch(lists)
      expect([database, collection, options]).toEqual(['admin', undefined, { allChangesForCluster: true }])
    },
  )
})

describe('the filter', () => {
  it('lets pass what fits, what has no such name, and what is renamed to a name that fits', () => {
    const [stage] = watch({ database: 'shop', collections: ['a', /^b/i] }).stages
    const fits = { $in: ['a', /^b/i] }
    expect(stage).toEqual({
      $match: { $or: [{ 'ns.coll': fits }, { 'ns.coll': { $exists: false } }, { 'to.coll': fits }] },
    })
  })

  it('leaves out what is excluded, and comes before the stages of the user', () => {
    const own = { $match: { operationType: 'insert' } }
    const { stages } = watch({ database: 'shop', excludeCollections: ['x'], pipeline: [own] })
    expect(stages).toEqual([{ $match: { 'ns.coll': { $not: { $in: ['x'] } } } }, own])
  })

  it('never lets the excluded namespaces pass, whatever the scope', () => {
    const exclude = [{ database: 'shop', collection: 'checkpoints' }, { database: 'cdc' }]
    const without = [{ $nor: [{ 'ns.db': 'shop', 'ns.coll': 'checkpoints' }] }, { $nor: [{ 'ns.db': 'cdc' }] }]
    expect(compileWatch(resolved(), exclude).stages).toEqual([{ $match: { $and: without } }])
    const one = resolved({ database: 'shop', collections: ['orders'] })
    expect(compileWatch(one, exclude).stages).toEqual([{ $match: { $and: without } }])
  })
})

it('asks the server for images and DDL only where the options do', () => {
  const asked = {
    fullDocument: 'required',
    fullDocumentBeforeChange: 'whenAvailable',
    showExpandedEvents: true,
  } as const
  expect(watch({ database: 'a', ...asked }).options).toEqual(asked)
  const defaults = { fullDocument: 'default', fullDocumentBeforeChange: 'off', showExpandedEvents: false } as const
  expect(watch({ database: 'a', ...defaults }).options).toEqual({})
})

describe('the digest', () => {
  const base = { database: 'shop', collections: ['a', /b/] } as const

  it('stays the same for the same watch, also where the options differ in what is not watched', () => {
    const { digest } = watch(base)
    expect(watch({ ...base, collections: ['a', /b/] }).digest).toBe(digest)
    expect(watch({ ...base, batchSize: 5, reader: 'driver', watchdogMs: 100, promoteValues: false }).digest).toBe(
      digest,
    )
    expect(compileWatch(resolved(base), [{ database: 'shop', collection: 'checkpoints' }]).digest).toBe(digest)
  })

  it('does not take a document for a BSON value because of its prototype', () => {
    const stage = (n: unknown): Partial<ChangeStreamSourceOptions> => ({ pipeline: [{ $match: { n } }] })
    const alike = Object.assign(Object.create({ _bsontype: 'Long' }), { low: 1 })
    expect(watch(stage(alike)).digest).toBe(watch(stage({ low: 1 })).digest)
  })

  it('changes with everything that decides which events are seen', () => {
    const others: Partial<ChangeStreamSourceOptions>[] = [
      base,
      {},
      { database: 'other', collections: ['a', /b/] },
      { database: 'shop' },
      { database: 'shop', collections: ['a'] },
      { database: 'shop', collections: [/a/, /b/] },
      { database: 'shop', collections: ['a', '/b/'] },
      { database: 'shop', collections: ['a', /b/i] },
      { ...base, excludeCollections: ['c'] },
      { collections: ['a', /b/] },
      { collections: ['a', /b/], excludeDatabases: ['x'] },
      { databases: [/x/], collections: ['a', /b/] },
      { ...base, fullDocument: 'updateLookup' },
      { ...base, fullDocumentBeforeChange: 'required' },
      { ...base, showExpandedEvents: true },
      ...[5, '5', 5n, null, Number.NaN, new Date(5), new Date(5).toISOString(), /5/, '/5/', Long.fromNumber(5)].map(
        n => ({
          ...base,
          pipeline: [{ $match: { n } }],
        }),
      ),
      { ...base, pipeline: [{ $match: { n: new BSON.ObjectId('5'.repeat(24)) } }] },
      { ...base, pipeline: [{ $match: { n: '5'.repeat(24) } }] },
    ]
    expect(new Set(others.map(options => watch(options).digest)).size).toBe(others.length)
  })
})

it('opens at a time, or after a token of any kind', () => {
  const timestamp = (t: number, i: number): string => `${t}/${i}`
  expect(startOptions({ kind: 'time', clusterTime: { t: 5, i: 2 } }, timestamp)).toEqual({
    startAtOperationTime: '5/2',
  })
  for (const kind of ['event', 'highWaterMark'] as const) {
    const position = { kind, clusterTime: { t: 5, i: 2 }, token: token(5) }
    expect(startOptions(position, timestamp)).toEqual({ startAfter: token(5) })
  }
})
