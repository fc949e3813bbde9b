import { type ChangeStreamDocument, DBRef, ObjectId } from 'mongodb'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { documentMessage } from '../../../src/message/document-message.js'
import { needsOf } from '../../../src/needs.js'
import type { RabbitMessage } from '../../../src/types.js'
import * as events from './events.js'

const bodyOf = (event: ChangeStreamDocument, options = {}) => {
  const message = documentMessage(options)(event)
  return message && Buffer.from(message.body).toString()
}
const NAMES = '"type":"orders","entry_id":"0123456789abcdef01234567"'
const { fullDocument: _, ...notLookedUp } = events.updateEvent

describe('the document as a message', () => {
  it('is the document of an insert without `_id`, with collection and id', () => {
    expect(bodyOf(events.insertEvent)).toBe(
      `{"status":"new","total":{"$numberLong":"9007199254740993"},"at":{"$date":"1970-01-01T00:00:00Z"},${NAMES}}`,
    )
  })
  it('is the document of an update that was looked up, and of a replace', () => {
    expect(bodyOf(events.updateEvent)).toBe(`{"status":"paid",${NAMES}}`)
    expect(bodyOf(events.replaceEvent)).toBe(`{"status":"paid",${NAMES}}`)
  })
  it('replaces fields that have the two names themselves', () => {
    const _id = new ObjectId('0123456789abcdef01234567')
    const event = { ...events.insertEvent, fullDocument: { _id, type: 'x', entry_id: 'y', z: { type: 1, _id: 2 } } }
    expect(bodyOf(event)).toBe(`{"z":{"type":1,"_id":2},${NAMES}}`)
  })
  it('keeps `__proto__` and a reference at the top as data', () => {
    expect(bodyOf({ ...events.insertEvent, fullDocument: JSON.parse('{"__proto__":{"a":1}}') })).toBe(
      `{"__proto__":{"a":1},${NAMES}}`,
    )
    const reference = new DBRef('users', new ObjectId('f'.repeat(24)), undefined, { _id: 1, a: 2 })
    expect(bodyOf({ ...events.insertEvent, fullDocument: reference })).toBe(
      `{"$ref":"users","$id":{"$oid":"${'f'.repeat(24)}"},"a":2,${NAMES}}`,
    )
  })
  it('carries the same headers and properties as a change event', () => {
    const message = documentMessage({ routingKey: '{coll}.{id}', exchange: 'cdc' })(events.insertEvent)
    expect(message).toMatchObject({
      routingKey: 'orders.0123456789abcdef01234567',
      exchange: 'cdc',
      contentType: 'application/json',
      type: 'insert',
      timestamp: 1701175488,
      headers: { 'x-cdc-operation': 'insert', 'x-cdc-order': '826565E0C0000000012B0229296E041' },
    })
  })
  it('is nothing for events that concern no document', () => {
    for (const event of [events.renameEvent, events.dropDatabaseEvent, events.invalidateEvent]) {
      expect(documentMessage({ onMissingDocument: 'fail' })(event)).toBeNull()
    }
  })
  it('finds the id in the document when a step before removed the key, also an id of `null`', () => {
    const { documentKey: _key, ...event } = events.insertEvent
    expect(bodyOf(event as ChangeStreamDocument)).toContain(NAMES)
    expect(bodyOf({ ...events.deleteEvent, documentKey: { _id: null } } as unknown as ChangeStreamDocument)).toBe(
      '{"type":"orders","entry_id":"null"}',
    )
  })
  it('fails when a step before removed the id altogether', () => {
    const { documentKey: _key, ...event } = events.deleteEvent
    expect(() => bodyOf(event as ChangeStreamDocument)).toThrow(
      expect.objectContaining({ code: 'CDC_TRANSFORM_FAILED' }),
    )
  })
  it('in canonical form needs exact types of the source', () => {
    expect(needsOf(documentMessage({ ejson: 'canonical' }))).toEqual({ exactTypes: true })
    expect(needsOf(documentMessage())).toEqual({ exactTypes: false })
  })
  it('is a message or null, without a promise', () => {
    expectTypeOf(documentMessage()).returns.toEqualTypeOf<RabbitMessage | null>()
  })
})

describe('option `onMissingDocument`', () => {
  const missing = [events.deleteEvent, notLookedUp, { ...events.updateEvent, fullDocument: null }] as const

  it('"key-only", the default, sends collection and id; the header tells the operation', () => {
    for (const event of missing) expect(bodyOf(event as ChangeStreamDocument)).toBe(`{${NAMES}}`)
    expect(documentMessage()(events.deleteEvent)?.headers).toMatchObject({ 'x-cdc-operation': 'delete' })
  })
  it('"skip" sends nothing', () => {
    for (const event of missing) expect(bodyOf(event as ChangeStreamDocument, { onMissingDocument: 'skip' })).toBeNull()
  })
  it('"fail" fails the event', () => {
    for (const event of missing) {
      expect(() => bodyOf(event as ChangeStreamDocument, { onMissingDocument: 'fail' })).toThrow(
        expect.objectContaining({ code: 'CDC_DOCUMENT_MISSING' }),
      )
    }
  })
  it('is refused when it is something else, and so is an option that does not exist', () => {
    expect(() => documentMessage({ onMissingDocument: 'ignore' as 'skip' })).toThrow(/"key-only", "skip", "fail"/)
    expect(() => documentMessage({ onMissing: 'skip' } as object)).toThrow(
      expect.objectContaining({ code: 'CDC_OPTION_UNKNOWN' }),
    )
  })
})

it('refuses what is no change event, such as the bare document that a step before made of it', () => {
  const message = documentMessage() as (input: unknown) => unknown
  for (const input of [{ _id: 1, total: 2 }, null, undefined, 'text']) {
    expect(() => message(input)).toThrowError(/`operationType`.*fullDocument/)
  }
})
