import { readFileSync } from 'node:fs'
import { type ChangeStreamDocument, Int32, Long, UUID } from 'mongodb'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { debeziumMessage } from '../../../src/message/debezium-message.js'
import { needsOf } from '../../../src/needs.js'
import { pipe } from '../../../src/transform/pipe.js'
import type { RabbitMessage } from '../../../src/types.js'
import * as events from './events.js'

const shape = debeziumMessage({ name: 'shop' })
const textOf = (message: RabbitMessage | undefined) => Buffer.from(message?.body ?? []).toString()
const fixture = (name: string) => readFileSync(new URL(`./fixtures/debezium-${name}.json`, import.meta.url), 'utf8')

function messagesOf(event: ChangeStreamDocument, options = {}): RabbitMessage[] {
  const made = debeziumMessage({ name: 'shop', ...options })(event)
  return Array.isArray(made) ? made : made === null ? [] : [made]
}
function recordOf(event: object, options = {}) {
  return JSON.parse(textOf(messagesOf(event as ChangeStreamDocument, options)[0]))
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2023-11-28T12:44:48.500Z'), toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the body of a Debezium message has exactly the keys of the connector, in its order', () => {
  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
    ['transaction', events.transactionEvent],
  ] as const)('%s', (name, event) => {
    // As text: objects would compare equal in any order. The fixture is indented for people.
    expect(textOf(messagesOf(event)[0])).toBe(JSON.stringify(JSON.parse(fixture(name))))
  })
  it('with times of nanoseconds to the last digit, although they are beyond 2^53', () => {
    expect(textOf(messagesOf(events.insertEvent)[0])).toContain('"ts_us":1701175488123000,"ts_ns":1701175488123000000,')
  })
})

describe('of an update', () => {
  const update = (updateDescription: object) => recordOf({ ...events.updateEvent, updateDescription }).updateDescription

  it('truncated arrays have a field and a size', () => {
    const truncatedArrays = [{ field: 'lines', newSize: new Int32(2) }]
    expect(update({ updatedFields: {}, removedFields: [], truncatedArrays })).toEqual({
      removedFields: null,
      updatedFields: '{}',
      truncatedArrays: [{ field: 'lines', size: 2 }],
    })
  })
  it('empty lists, and lists that an old server does not have, are null', () => {
    expect(update({ updatedFields: { a: 1 } })).toEqual({
      removedFields: null,
      updatedFields: '{"a":1}',
      truncatedArrays: null,
    })
  })
  it('that was not looked up, `after` is null', () => {
    expect(recordOf({ ...events.updateEvent, fullDocument: undefined }).after).toBeNull()
    expect(recordOf({ ...events.updateEvent, fullDocument: null }).after).toBeNull()
  })
})

describe('the source block', () => {
  it('takes the time of the oplog where the server gives no wall time', () => {
    const { source } = recordOf({ ...events.insertEvent, wallTime: undefined })
    expect(source).toMatchObject({ ts_ms: 1701175488000, ts_us: 1701175488000000, wallTime: null })
  })
  it('has the option `version` where a consumer compares it', () => {
    expect(recordOf(events.insertEvent).source.version).toBe('mongo-rabbit-cdc')
    expect(recordOf(events.insertEvent, { version: '3.2.0.Final' }).source.version).toBe('3.2.0.Final')
  })
  it('has a number for `txnNumber`, whatever its type', () => {
    const event = { ...events.transactionEvent, txnNumber: Long.fromNumber(7) }
    expect(recordOf(event).source.txnNumber).toBe(7)
  })
})

describe('the key', () => {
  const keyOf = (documentKey: object) =>
    messagesOf({ ...events.deleteEvent, documentKey } as ChangeStreamDocument)[0]?.headers?.['x-debezium-key']

  it.each([
    ['an ObjectId', events.insertEvent.documentKey._id, '{"id":"{\\"$oid\\":\\"0123456789abcdef01234567\\"}"}'],
    ['a number', 1004, '{"id":"1004"}'],
    ['a string', 'a"b', '{"id":"\\"a\\\\\\"b\\""}'],
    ['a document', { b: 1, a: 2 }, '{"id":"{\\"b\\":1,\\"a\\":2}"}'],
  ])('is a header: the JSON of %s as a string', (_, _id, key) => {
    expect(keyOf({ _id })).toBe(key)
  })
  it('over 8 KB is left out', () => {
    expect(keyOf({ _id: 'x'.repeat(8300) })).toBeUndefined()
  })
  it('is needed: an event whose id a step before has removed fails', () => {
    expect(() => keyOf({})).toThrow(expect.objectContaining({ code: 'CDC_TRANSFORM_FAILED' }))
  })
})

describe('option `tombstones`', () => {
  it('lets a delete be followed by an empty message with the same key and route', () => {
    const [first, tombstone, ...more] = messagesOf(events.deleteEvent, { tombstones: true, routingKey: '{db}.{coll}' })
    expect(more).toEqual([])
    expect(textOf(first)).toBe(JSON.stringify(JSON.parse(fixture('delete'))))
    expect(tombstone?.body).toHaveLength(0)
    expect(tombstone).not.toHaveProperty('contentType')
    expect(tombstone).toMatchObject({ routingKey: 'shop.orders', type: 'delete', headers: first?.headers })
  })
  it('is off by itself, and makes one message of everything else', () => {
    expect(messagesOf(events.deleteEvent)).toHaveLength(1)
    expect(messagesOf(events.updateEvent, { tombstones: true })).toHaveLength(1)
  })
  it('gives two messages through a pipe', () => {
    expect(pipe(debeziumMessage({ name: 'shop', tombstones: true }))(events.deleteEvent)).toHaveLength(2)
  })
})

describe('the factory', () => {
  it('filters what concerns no document, as the connector does', () => {
    for (const event of [events.dropEvent, events.renameEvent, events.invalidateEvent]) expect(shape(event)).toBeNull()
  })
  it('fails the event when a step before has made a bare document of it', () => {
    expect(() => shape({ status: 'new' } as never)).toThrow(expect.objectContaining({ code: 'CDC_TRANSFORM_FAILED' }))
  })
  it('writes the strings in the EJSON that is asked for, and asks the source for exact types', () => {
    const canonical = debeziumMessage({ name: 'shop', ejson: 'canonical' })
    expect(needsOf(canonical)).toEqual({ exactTypes: true })
    expect(needsOf(shape)).toEqual({ exactTypes: false })
    const event = { ...events.transactionEvent, lsid: { id: new UUID('01234567-89ab-cdef-0123-456789abcdef') } }
    expect(recordOf(event, { ejson: 'canonical' }).after).toContain('"n":{"$numberInt":"1"}')
  })
  it('needs a name, and refuses an encoder, since the envelope is JSON', () => {
    expect(() => debeziumMessage({} as never)).toThrow(/`name`/)
    expect(() => debeziumMessage({ name: 'a', encoder: {} } as never)).toThrow(/Unknown option `encoder`/)
    expect(() => debeziumMessage({ name: 'a', version: '' })).toThrow(/`version`/)
    expect(() => debeziumMessage({ name: 'a', tombstones: 'yes' as never })).toThrow(/`tombstones`/)
    expect(() => debeziumMessage({ name: 'a', ejson: 'strict' as never })).toThrow(/`ejson`/)
  })
})
