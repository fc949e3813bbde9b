import { Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { OptionsError } from '../../../src/errors.js'
import { ChangeStreamSource } from '../../../src/source/change-stream-source.js'
import { type ChangeStreamSourceOptions, resolveSourceOptions } from '../../../src/source/source-options.js'
import { client, resolved, token } from './support.js'

const uri = 'mongodb://user:s3cret@db.example.com:27017/?replicaSet=rs0'

function refusal(options: unknown): OptionsError {
  try {
    resolveSourceOptions(options as ChangeStreamSourceOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(OptionsError)
    expect((error as Error).message).not.toMatch(/s3cret|db\.example/)
    return error as OptionsError
  }
  throw new Error('Expected a refusal')
}

it('has defaults for everything but the connection', () => {
  expect(resolved()).toEqual({
    excludeDatabases: [],
    excludeCollections: [],
    pipeline: [],
    fullDocument: 'default',
    fullDocumentBeforeChange: 'off',
    showExpandedEvents: false,
    batchSize: 1000,
    maxAwaitTimeMS: 1000,
    onHistoryLost: 'fail',
    oversized: 'split',
    reader: 'auto',
    watchdogMs: 5000,
    retry: { minDelayMs: 100, maxDelayMs: 30_000 },
  })
})

it.each([
  { batchSize: 1 },
  { batchSize: 100_000 },
  { maxAwaitTimeMS: 10 },
  { maxAwaitTimeMS: 60_000 },
  { watchdogMs: 100 },
  { watchdogMs: 600_000 },
  { retry: { minDelayMs: 1, maxDelayMs: 1 } },
  { retry: { minDelayMs: 1, maxDelayMs: 30_000 } },
  { fullDocument: 'updateLookup' },
  { fullDocument: 'whenAvailable' },
  { fullDocument: 'required' },
  { fullDocumentBeforeChange: 'whenAvailable' },
  { fullDocumentBeforeChange: 'required' },
  { showExpandedEvents: true },
  { promoteValues: false },
  { reader: 'command' },
  { reader: 'driver' },
  { onHistoryLost: 'now' },
  { oversized: 'key-only' },
  { database: 'shop' },
  { databases: ['shop', /^shop_/i] },
  { excludeDatabases: ['shop', 'local', /x/] },
  { collections: ['a', /b/] },
  { excludeCollections: ['a', /b/] },
  { startAfter: token(5, 1) },
  { startAtOperationTime: new Date('2026-01-01') },
  { startAtOperationTime: new Timestamp({ t: 5, i: 1 }) },
] as Partial<ChangeStreamSourceOptions>[])('takes %j', options => {
  expect(resolved(options)).toMatchObject(options)
})

it.each([
  ['batchSize', [0, -1, 1.5, 100_001, Number.NaN, '5']],
  ['maxAwaitTimeMS', [0, 9, 60_001, Number.POSITIVE_INFINITY, '5']],
  ['watchdogMs', [0, 99, 600_001, Number.NaN]],
  ['fullDocument', ['never', '', true]],
  ['fullDocumentBeforeChange', ['default', false]],
  ['showExpandedEvents', ['yes', 1]],
  ['promoteValues', ['no', 0, null]],
  ['reader', ['raw']],
  ['onHistoryLost', ['snapshot']],
  ['oversized', ['skip', true, 5]],
  ['database', ['', 'admin', 'local', 'config', 5, null, 'x'.repeat(64)]],
  ['databases', [[], 'shop', ['admin'], ['local'], ['config'], [''], [5], [/x/g], [/x/m], [/x/iu]]],
  ['excludeDatabases', ['shop', [5], [/x/y]]],
  ['collections', [[], 'orders', [''], [null], [/x/s]]],
  ['excludeCollections', ['orders', [{}], [/x/g]]],
  ['startAfter', [{}, { _data: '' }, { _data: 'zz' }, 'token', null, 5]],
  ['startAtOperationTime', [new Date(Number.NaN), new Date(0), 5, 'today', {}, null, { t: 0, i: 0 }]],
  ['pipeline', ['x', {}, [5], [{}], [null], [{ $match: {}, $set: {} }]]],
  ['client', [null, {}, 'x', { db: () => 0 }]],
] as const)('refuses `%s` out of range, and names it', (name, values) => {
  for (const value of values) {
    const error = refusal({ ...(name !== 'client' && { client }), [name]: value })
    expect(error.code).toBe('CDC_OPTION_INVALID')
    expect(error.message).toContain(`\`${name}`)
  }
})

it.each([
  { minDelayMs: 0 },
  { minDelayMs: -1 },
  { maxDelayMs: 50 },
  { minDelayMs: 500, maxDelayMs: 499 },
  { minDelayMs: Number.NaN },
])('refuses a back-off of %j', retry => {
  expect(refusal({ client, retry }).message).toContain('`retry.')
})

it('refuses databases to leave out beside the one to watch', () => {
  expect(refusal({ client, database: 'shop', excludeDatabases: ['other'] }).message).toContain('`excludeDatabases`')
})

it('refuses an unknown option, and names it', () => {
  const error = refusal({ client, fullDocumentt: 'required' })
  expect(error.code).toBe('CDC_OPTION_UNKNOWN')
  expect(error.message).toContain('`fullDocumentt`')
  expect(refusal({ client, retry: { attempts: 3 } }).message).toContain('`attempts`')
  expect(refusal(undefined).message).toContain('ChangeStreamSource')
})

it('needs exactly one of `client` and `uri`', () => {
  expect(refusal({}).message).toBe('Expected exactly one of `client` and `uri`, got none')
  expect(refusal({ uri: undefined }).message).toContain('got none')
  expect(refusal({ client, uri }).message).toBe('Expected exactly one of `client` and `uri`, got both')
  expect(resolveSourceOptions({ uri })).toBeTruthy()
  expect(refusal({ uri: '' }).message).toContain('`uri`')
  expect(refusal({ uri: { s3cret: 1 } }).message).toContain('`uri`')
})

it('refuses two options that contradict each other', () => {
  expect(refusal({ uri, database: 'a', databases: ['b'] }).message).toMatch(/`database` and `databases`/)
  const both = { uri, startAfter: token(5), startAtOperationTime: new Date() }
  expect(refusal(both).message).toMatch(/`startAfter` and `startAtOperationTime`/)
})

it('refuses to give exact types where the user asked for promoted ones', () => {
  expect(() => new ChangeStreamSource({ client, promoteValues: true }).useExactTypes()).toThrow(OptionsError)
  for (const promoteValues of [false, undefined]) {
    const options = promoteValues === undefined ? { client } : { client, promoteValues }
    expect(() => new ChangeStreamSource(options).useExactTypes()).not.toThrow()
  }
})

describe('a pipeline', () => {
  it.each([
    { $match: { operationType: 'insert' } },
    { $match: { _id: { $exists: true } } },
    { $project: { fullDocument: 0 } },
    { $project: { _id: 1, fullDocument: 1 } },
    { $project: { fullDocument: true } },
    { $addFields: { x: 1 } },
    { $set: { 'fullDocument._id': 1 } },
    { $unset: 'fullDocument' },
    { $unset: ['a', 'fullDocument._id'] },
    { $redact: '$$KEEP' },
    { $replaceRoot: { newRoot: '$$ROOT' } },
    { $replaceWith: '$$ROOT' },
  ])('may have the stage %j', stage => {
    expect(resolved({ pipeline: [stage] }).pipeline).toEqual([stage])
  })

  it.each([
    { $group: { _id: 1 } },
    { $lookup: {} },
    { $limit: 1 },
    { $out: 'x' },
    { $changeStream: {} },
    { match: {} },
  ])('may not have the stage %j', stage => {
    const error = refusal({ client, pipeline: [{ $match: {} }, stage] })
    expect(error).toMatchObject({ code: 'CDC_OPTION_INVALID' })
    expect(error.message).toContain('`pipeline[1]`')
  })

  it.each([
    { $project: { _id: 0 } },
    { $project: { _id: false } },
    { $project: { _id: '$documentKey' } },
    { $project: { '_id._data': 0 } },
    { $addFields: { _id: 1 } },
    { $set: { '_id.x': 1 } },
    { $unset: '_id' },
    { $unset: ['a', '_id._data'] },
  ])('may not lose the resume token by %j', stage => {
    expect(refusal({ client, pipeline: [stage] })).toMatchObject({ code: 'CDC_EVENT_ID_LOST' })
  })
})
