import { type ChangeStreamDocument, type ChangeStreamInsertDocument, Int32, Long, ObjectId } from 'mongodb'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { markImage } from '../../../src/document-image.js'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { needsOf } from '../../../src/needs.js'
import type { RabbitMessage, TransformContext } from '../../../src/types.js'
import * as events from './events.js'

const bodyOf = (event: ChangeStreamDocument, options = {}) =>
  Buffer.from(changeEventMessage(options)(event).body).toString()

const KEY = '"documentKey":{"_id":{"$oid":"0123456789abcdef01234567"}}'
const ID = '"_id":{"$oid":"0123456789abcdef01234567"}'
const NS = '"ns":{"db":"shop","coll":"orders"}'
const TIMES = '"clusterTime":{"$timestamp":{"t":1701175488,"i":1}},"wallTime":{"$date":"2023-11-28T12:44:48.123Z"}'

describe('the body of a change event', () => {
  it('of an insert', () => {
    expect(bodyOf(events.insertEvent)).toBe(
      `{"operationType":"insert",${NS},${KEY},"fullDocument":{${ID},"status":"new","total":{"$numberLong":"9007199254740993"},"at":{"$date":"1970-01-01T00:00:00Z"}},${TIMES}}`,
    )
  })
  it('of an update', () => {
    expect(bodyOf(events.updateEvent)).toBe(
      `{"operationType":"update",${NS},${KEY},"fullDocument":{${ID},"status":"paid"},"fullDocumentBeforeChange":{${ID},"status":"new"},"updateDescription":{"updatedFields":{"status":"paid"},"removedFields":["note"],"truncatedArrays":[]},${TIMES}}`,
    )
  })
  it('of a replace', () => {
    expect(bodyOf(events.replaceEvent)).toBe(
      `{"operationType":"replace",${NS},${KEY},"fullDocument":{${ID},"status":"paid"},${TIMES}}`,
    )
  })
  it('of a delete', () => {
    expect(bodyOf(events.deleteEvent)).toBe(
      `{"operationType":"delete",${NS},${KEY},"fullDocumentBeforeChange":{${ID},"status":"new"},${TIMES}}`,
    )
  })
  it('of a rename', () => {
    expect(bodyOf(events.renameEvent)).toBe(
      `{"operationType":"rename",${NS},${TIMES},"to":{"db":"shop","coll":"orders_2023"},"collectionUUID":{"$binary":{"base64":"ASNFZ4mrze8BI0VniavN7w==","subType":"04"}}}`,
    )
  })
  it('of a dropped database', () => {
    expect(bodyOf(events.dropDatabaseEvent)).toBe(`{"operationType":"dropDatabase","ns":{"db":"shop"},${TIMES}}`)
  })
  it('of an invalidate', () => {
    expect(bodyOf(events.invalidateEvent)).toBe(`{"operationType":"invalidate",${TIMES}}`)
  })
  it('of a change in a transaction tells which one', () => {
    expect(bodyOf(events.transactionEvent)).toBe(
      `{"operationType":"insert",${NS},${KEY},"fullDocument":{${ID},"n":1},${TIMES},"lsid":{"id":{"$binary":{"base64":"ASNFZ4mrze8BI0VniavN7w==","subType":"04"}}},"txnNumber":7}`,
    )
  })
  it('keeps its order whatever the order of the event, says `null` for a document that is gone, and skips what is absent', () => {
    const event = { fullDocument: null, wallTime: undefined, ns: { db: 'a', coll: 'b' }, operationType: 'update' }
    expect(bodyOf(event as unknown as ChangeStreamDocument)).toBe(
      '{"operationType":"update","ns":{"db":"a","coll":"b"},"fullDocument":null}',
    )
  })
  it('keeps fields that a later server or a `$addFields` stage adds', () => {
    const event = { ...events.invalidateEvent, region: 'eu', ['__proto__']: 1 }
    expect(bodyOf(event)).toBe(`{"operationType":"invalidate",${TIMES},"region":"eu","__proto__":1}`)
  })
  it('does not change the event', () => {
    const event = Object.freeze({ ...events.updateEvent })
    changeEventMessage({ routingKey: '{id}' })(event)
    expect(event).toEqual(events.updateEvent)
  })
})

describe('the properties of a message', () => {
  it('say what happened where and when, without a message id, which the pipeline gives', () => {
    const { body, ...properties } = changeEventMessage()(events.insertEvent)
    expect(body).toBeInstanceOf(Uint8Array)
    expect(properties).toEqual({
      contentType: 'application/json',
      type: 'insert',
      timestamp: 1701175488,
      headers: {
        'x-cdc-operation': 'insert',
        'x-cdc-database': 'shop',
        'x-cdc-collection': 'orders',
        'x-cdc-cluster-time': '1701175488.0000000001',
        'x-cdc-document': 'event',
        'x-cdc-order': '826565E0C0000000012B0229296E041',
      },
    })
  })
  it('leave out what the event does not have', () => {
    expect(changeEventMessage()({ operationType: 'invalidate' } as ChangeStreamDocument)).toEqual({
      body: Buffer.from('{"operationType":"invalidate"}'),
      contentType: 'application/json',
      type: 'invalidate',
      headers: { 'x-cdc-operation': 'invalidate' },
    })
  })
  it('take the time of the oplog where the server gives no wall time', () => {
    const { wallTime: _, ...event } = events.insertEvent
    expect(changeEventMessage()({ ...event }).timestamp).toBe(1701175488)
  })
})

describe('the header `x-cdc-transaction`', () => {
  const transactionOf = (event: ChangeStreamDocument) => changeEventMessage()(event).headers?.['x-cdc-transaction']

  it('names the session and the number of the transaction, the same whatever the types of numbers', () => {
    const expected = '01234567-89ab-cdef-0123-456789abcdef:7'
    expect(transactionOf(events.transactionEvent)).toBe(expected)
    const exact = { ...events.transactionEvent, txnNumber: Long.fromNumber(7) }
    expect(transactionOf(exact as unknown as ChangeStreamDocument)).toBe(expected)
  })
  it('is absent outside of transactions', () => {
    expect(transactionOf(events.insertEvent)).toBeUndefined()
  })
})

describe('the header `x-cdc-document`', () => {
  const headerOf = (event: ChangeStreamDocument, context?: TransformContext) =>
    changeEventMessage()(event, context).headers?.['x-cdc-document']
  const contextOf = (event: unknown) => ({ event, id: 'x', signal: new AbortController().signal })

  it('says `event` of inserts and replacements, whose document is part of the change', () => {
    expect([events.insertEvent, events.replaceEvent].map(event => headerOf(event))).toEqual(['event', 'event'])
  })
  it.each(['stored', 'looked-up'] as const)('says `%s` of an update when the source has said so', image => {
    const event = { ...events.updateEvent }
    markImage(event, image)
    expect(headerOf(event)).toBe(image)
    expect(headerOf({ ...event, fullDocument: { _id: events.updateEvent.documentKey._id, a: 1 } })).toBe(image)
    // A step that builds the event anew, field by field.
    const rebuilt = Object.fromEntries(Object.entries(event)) as unknown as ChangeStreamDocument
    expect(headerOf(rebuilt, contextOf(event))).toBe(image)
    expect(headerOf(rebuilt)).toBeUndefined()
  })
  it('is absent where there is no document, and where nobody knows of which moment it is', () => {
    const gone = { ...events.updateEvent, fullDocument: null } as unknown as ChangeStreamDocument
    markImage(gone, 'looked-up')
    expect(headerOf(gone)).toBeUndefined()
    expect(headerOf(events.deleteEvent)).toBeUndefined()
    expect(headerOf(events.updateEvent)).toBeUndefined()
  })
  it.each(['re-read', 'oversized'] as const)('says `%s` of every event that was cut, whatever its operation', image => {
    for (const original of [events.insertEvent, events.updateEvent, events.replaceEvent, events.deleteEvent]) {
      const event: ChangeStreamDocument = { ...original }
      markImage(event, image)
      expect(headerOf(event)).toBe(image)
      const rebuilt = Object.fromEntries(Object.entries(event)) as unknown as ChangeStreamDocument
      expect(headerOf(rebuilt, contextOf(event))).toBe(image)
    }
  })
  it('does not follow from a field of the document', () => {
    const event = { ...events.updateEvent, 'mongo-rabbit-cdc.documentImage': 'stored' }
    expect(headerOf(event)).toBeUndefined()
  })
  it('leaves no trace in the body', () => {
    const event = { ...events.updateEvent }
    markImage(event, 'stored')
    expect(bodyOf(event)).toBe(bodyOf(events.updateEvent))
  })
})

describe('option `routingKey`', () => {
  it('is a template', () => {
    const shape = changeEventMessage({ routingKey: '{db}.{coll}.{operation}.{id}' })
    expect(shape(events.insertEvent).routingKey).toBe('shop.orders.insert.0123456789abcdef01234567')
    expect(shape(events.dropDatabaseEvent).routingKey).toBe('shop._.dropDatabase._')
  })
  it('is a function, whose result is taken as it is', () => {
    const shape = changeEventMessage({ routingKey: event => `a.*.${event.operationType}` })
    expect(shape(events.insertEvent).routingKey).toBe('a.*.insert')
  })
  it('fails the event when the function returns more than 255 bytes, or no string', () => {
    const long = changeEventMessage({ routingKey: () => 'ж'.repeat(128) })
    expect(() => long(events.insertEvent)).toThrow(
      expect.objectContaining({
        code: 'CDC_ROUTING_KEY_TOO_LONG',
        message: 'Expected `routingKey` to return at most 255 bytes, got 256',
      }),
    )
    const none = changeEventMessage({ routingKey: () => undefined as unknown as string })
    expect(() => none(events.insertEvent)).toThrow(expect.objectContaining({ code: 'CDC_MESSAGE_INVALID' }))
  })
  it('is refused when it is neither, or has an unknown placeholder', () => {
    expect(() => changeEventMessage({ routingKey: '{table}' })).toThrow(/got \{table\}/)
    expect(() => changeEventMessage({ routingKey: 5 as unknown as string })).toThrow(/a template or a function/)
  })
})

describe('option `exchange`', () => {
  it('is a fixed name, also the empty one of the default exchange', () => {
    expect(changeEventMessage({ exchange: 'cdc' })(events.insertEvent).exchange).toBe('cdc')
    expect(changeEventMessage({ exchange: '' })(events.insertEvent).exchange).toBe('')
  })
  it('is never chosen from data: a function is refused, and so is a name over 255 bytes', () => {
    expect(() => changeEventMessage({ exchange: (() => 'x') as unknown as string })).toThrow(/`exchange`/)
    expect(() => changeEventMessage({ exchange: 'x'.repeat(256) })).toThrow(/255 bytes/)
  })
})

describe('option `ejson`', () => {
  it('"canonical" keeps every type, and tells that it needs exact types of the source', () => {
    const _id = new ObjectId('0123456789abcdef01234567')
    const event: ChangeStreamDocument = {
      ...events.insertEvent,
      fullDocument: { _id, a: new Int32(1), b: Long.fromNumber(2) },
    }
    const shape = changeEventMessage({ ejson: 'canonical' })
    expect(Buffer.from(shape(event).body).toString()).toContain('"a":{"$numberInt":"1"},"b":{"$numberLong":"2"}')
    expect(shape(event).contentType).toBe('application/json')
    expect(needsOf(shape)).toEqual({ exactTypes: true })
    expect(needsOf(changeEventMessage(), null)).toEqual({ exactTypes: false })
  })
  it('knows no other mode', () => {
    expect(() => changeEventMessage({ ejson: 'strict' as 'relaxed' })).toThrow(/"relaxed", "canonical"/)
  })
})

describe('option `headers`', () => {
  it('adds headers; those of the shape win', () => {
    const shape = changeEventMessage({
      headers: event => ({ tenant: 'a', 'x-cdc-operation': `my ${event.operationType}` }),
    })
    expect(shape(events.insertEvent).headers).toMatchObject({ tenant: 'a', 'x-cdc-operation': 'insert' })
  })
  it('fails the event when the function returns no object', () => {
    for (const wrong of [undefined, null, 'x', []]) {
      const shape = changeEventMessage({ headers: () => wrong as unknown as Record<string, string> })
      expect(() => shape(events.insertEvent)).toThrow(expect.objectContaining({ code: 'CDC_HEADERS_INVALID' }))
    }
  })
  it('is refused when it is no function', () => {
    expect(() => changeEventMessage({ headers: {} as () => Record<string, string> })).toThrow(/`headers`/)
  })
})

describe('the header `x-cdc-order`', () => {
  it('puts the delete before the insert where a document moves to another shard, at one time', () => {
    const _id = { _data: '8265E0C000000000012B022C0100296E5A1004'.padEnd(80, 'A') }
    const orderOf = (event: ChangeStreamDocument) =>
      String(changeEventMessage()({ ...event, _id } as ChangeStreamDocument).headers?.['x-cdc-order'])
    expect(orderOf(events.deleteEvent) < orderOf(events.insertEvent)).toBe(true)
    expect(orderOf(events.deleteEvent).length).toBeLessThanOrEqual(64)
  })
})

describe('option `tokenHeader`', () => {
  it('sends the whole token, which embeds the id and is left out otherwise', () => {
    const _id = { _data: `${'8265E0C00000000001'.padEnd(70, '0')}5F696400646964` }
    const headers = (options: { tokenHeader?: boolean }) =>
      changeEventMessage(options)({ ...events.insertEvent, _id }).headers
    for (const options of [{}, { tokenHeader: false }]) {
      expect(headers(options)).toMatchObject({ 'x-cdc-order': `${_id._data.slice(0, 60)}1` })
      expect(headers(options)).not.toHaveProperty('x-cdc-token')
    }
    expect(headers({ tokenHeader: true })).toMatchObject({
      'x-cdc-order': `${_id._data.slice(0, 60)}1`,
      'x-cdc-token': _id._data,
    })
    expect(() => changeEventMessage({ tokenHeader: 'no' as unknown as boolean })).toThrow(/`tokenHeader`/)
  })
  it('leaves a token over 8 KB out by itself', () => {
    const withToken = (length: number) =>
      changeEventMessage({ tokenHeader: true })({ ...events.insertEvent, _id: { _data: 'A'.repeat(length) } }).headers
    expect(withToken(8192)).toHaveProperty('x-cdc-token')
    expect(withToken(8193)).not.toHaveProperty('x-cdc-token')
  })
})

describe('the factory', () => {
  it('refuses an option that does not exist', () => {
    expect(() => changeEventMessage({ routngKey: 'x' } as object)).toThrow(
      expect.objectContaining({ code: 'CDC_OPTION_UNKNOWN' }),
    )
  })
  it('takes narrower events, so that an option sees what a filter before it left', () => {
    interface Order {
      _id: ObjectId
      region: string
    }
    const shape = changeEventMessage<ChangeStreamInsertDocument<Order>>({ routingKey: e => e.fullDocument.region })
    expectTypeOf(shape).returns.toEqualTypeOf<RabbitMessage>()
    const general: (event: ChangeStreamDocument<Order>) => RabbitMessage = changeEventMessage()
    expect(general.name).toBe('changeEventMessage')
  })
})
