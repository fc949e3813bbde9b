import { CloudEvent, HTTP } from 'cloudevents'
import fc from 'fast-check'
import { BSON, type ChangeStreamDocument } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { bsonEncoder } from '../../../src/message/bson-encoder.js'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { type CloudEventMessageOptions, cloudEventMessage } from '../../../src/message/cloud-event-message.js'
import { messageId } from '../../../src/message-id.js'
import { needsOf } from '../../../src/needs.js'
import type { RabbitMessage } from '../../../src/types.js'
import * as events from './events.js'

const TOKEN = '826565E0C0000000012B0229296E04'
const PREFIX = /^cloudEvents[_:]/

/** The message as the official SDK reads it: its HTTP binding has the same modes, with other names for the headers. */
function readBySdk({ body, headers, contentType }: RabbitMessage): CloudEvent<unknown> {
  const attributes = Object.entries(headers ?? {}).filter(([name]) => PREFIX.test(name))
  const httpHeaders = attributes.map(([name, value]) => [name.replace(PREFIX, 'ce-'), value])
  const event = HTTP.toEvent({
    headers: { ...Object.fromEntries(httpHeaders), 'content-type': contentType },
    body: Buffer.from(body).toString(),
  })
  return new CloudEvent({ ...(event as CloudEvent<unknown>) }, true)
}

const modes = ['binary', 'structured'] as const
const all: [string, ChangeStreamDocument][] = [
  ['insert', events.insertEvent],
  ['update', events.updateEvent],
  ['replace', events.replaceEvent],
  ['delete', events.deleteEvent],
  ['rename', events.renameEvent],
  ['dropDatabase', events.dropDatabaseEvent],
  ['invalidate', events.invalidateEvent],
  ['insert in a transaction', events.transactionEvent],
]

describe.each(modes)('a CloudEvent in mode %s', mode => {
  const shape = (options: CloudEventMessageOptions = {}) => cloudEventMessage({ mode, ...options })

  it.each(all)('is valid for the official SDK, with the change event as data: %s', (_, event) => {
    const read = readBySdk(shape()(event))
    expect(read.validate()).toBe(true)
    expect(read.data).toEqual(JSON.parse(Buffer.from(changeEventMessage()(event).body).toString()))
  })
  it('has the attributes of the event', () => {
    const { data: _, ...attributes } = readBySdk(
      shape({ dataschema: 'https://schemas.example.com/orders/1' })(events.insertEvent),
    )
    expect(JSON.parse(JSON.stringify(attributes))).toEqual({
      specversion: '1.0',
      id: messageId(TOKEN, 0),
      source: '/mongodb/shop/orders',
      type: 'mongodb.shop.orders.insert',
      subject: '0123456789abcdef01234567',
      time: '2023-11-28T12:44:48.123Z',
      datacontenttype: 'application/json',
      dataschema: 'https://schemas.example.com/orders/1',
    })
  })
  it('has the id of the pipeline, also where a step has removed the token', () => {
    const context = { event: events.insertEvent, id: TOKEN, signal: new AbortController().signal }
    const { _id, ...event } = events.insertEvent
    expect(readBySdk(shape()(event as typeof events.insertEvent, context)).id).toBe(messageId(TOKEN, 0))
    expect(() => shape()(event as typeof events.insertEvent)).toThrow(
      expect.objectContaining({ code: 'CDC_TRANSFORM_FAILED' }),
    )
  })
  it('has an id of its own per input of one event where `id` gives one', () => {
    const numbered = shape({ id: event => `${event.operationType}-1` })
    expect(readBySdk(numbered(events.insertEvent)).id).toBe('insert-1')
    for (const wrong of ['', 'a\nb', 5 as unknown as string]) {
      expect(() => shape({ id: () => wrong })(events.insertEvent)).toThrow(
        expect.objectContaining({ code: 'CDC_MESSAGE_INVALID' }),
      )
    }
  })
  it('takes the beginning of source and type from the options', () => {
    const read = readBySdk(shape({ source: 'urn:shop:eu/', typePrefix: 'com.example' })(events.insertEvent))
    expect([read.source, read.type]).toEqual(['urn:shop:eu/shop/orders', 'com.example.shop.orders.insert'])
    expect(readBySdk(shape({ source: '/' })(events.invalidateEvent)).source).toBe('/')
  })
  it('stays valid whatever names and ids the data has', () => {
    const characters = fc.constantFrom(
      'a',
      'Z',
      '.',
      '*',
      '#',
      '%',
      '/',
      '?',
      ' ',
      '"',
      '\\',
      'é',
      '😀',
      '\n',
      '\u0000',
      '\uffff',
    )
    const name = fc.array(characters, { minLength: 1, maxLength: 20 }).map(all => all.join(''))
    const id = fc.oneof(name, fc.constantFrom('', '\ud800'), fc.integer(), fc.constant(null))
    fc.assert(
      fc.property(name, name, id, (db, coll, _id) => {
        const event = { ...events.deleteEvent, ns: { db, coll }, documentKey: { _id } }
        const read = readBySdk(shape()(event as unknown as ChangeStreamDocument))
        expect(read.validate()).toBe(true)
        expect(decodeURIComponent(read.source)).toBe(`/mongodb/${db}/${coll}`)
      }),
      { numRuns: 30 },
    )
  })
  it('has no subject where CloudEvents can not carry the id', () => {
    for (const _id of ['', 'a\u0000b', '\ud800', '\uffff', 'x'.repeat(9_000)]) {
      const event = { ...events.deleteEvent, documentKey: { _id } }
      expect(readBySdk(shape()(event as unknown as ChangeStreamDocument)).subject).toBeUndefined()
    }
  })
  it('takes the time of the oplog where the server gives no wall time, and none where a step has removed both', () => {
    const { wallTime: _, ...event } = events.insertEvent
    const time = /"time":"([^"]*)"/.exec(JSON.stringify(readBySdk(shape()(event as typeof events.insertEvent))))?.[1]
    expect(time).toBe('2023-11-28T12:44:48.000Z')
    const { clusterTime: __, ...without } = event
    const message = shape()(without as typeof events.insertEvent)
    expect(message.headers).not.toHaveProperty('cloudEvents_time')
    expect(Buffer.from(message.body).toString()).not.toContain('"time"')
  })
})

describe('mode binary', () => {
  it('is the default: the body is the data, the attributes are headers beside those of every shape', () => {
    const message = cloudEventMessage({ routingKey: 'k' })(events.insertEvent)
    const plain = changeEventMessage({ routingKey: 'k' })(events.insertEvent)
    expect(message).toEqual({
      ...plain,
      headers: {
        ...plain.headers,
        cloudEvents_specversion: '1.0',
        cloudEvents_id: messageId(TOKEN, 0),
        cloudEvents_source: '/mongodb/shop/orders',
        cloudEvents_type: 'mongodb.shop.orders.insert',
        cloudEvents_subject: '0123456789abcdef01234567',
        cloudEvents_time: '2023-11-28T12:44:48.123Z',
      },
    })
  })
  it('takes the other prefix that the binding allows, and no third one', () => {
    const message = cloudEventMessage({ headerPrefix: 'cloudEvents:' })(events.insertEvent)
    expect(message.headers).toHaveProperty('cloudEvents:id')
    expect(readBySdk(message).validate()).toBe(true)
    expect(() => cloudEventMessage({ headerPrefix: 'ce-' as 'cloudEvents_' })).toThrow(/`headerPrefix`/)
  })
  it('has the content type of the encoder', () => {
    const message = cloudEventMessage({ encoder: bsonEncoder({ BSON }) })(events.insertEvent)
    expect(message.contentType).toBe('application/bson')
    expect(BSON.deserialize(message.body)).toHaveProperty('operationType', 'insert')
  })
})

describe('mode structured', () => {
  it('says so in the content type, and has no attributes in headers', () => {
    const message = cloudEventMessage({ mode: 'structured' })(events.insertEvent)
    expect(message.contentType).toBe('application/cloudevents+json; charset=utf-8')
    expect(Object.keys(message.headers ?? {}).filter(name => PREFIX.test(name))).toEqual([])
  })
  it('carries what is no JSON in base64', () => {
    const shape = cloudEventMessage({ mode: 'structured', encoder: bsonEncoder({ BSON }) })
    const read = new CloudEvent(JSON.parse(Buffer.from(shape(events.insertEvent).body).toString()), true)
    expect(read.datacontenttype).toBe('application/bson')
    expect(BSON.deserialize(Buffer.from(read.data_base64 ?? '', 'base64'))).toHaveProperty('operationType', 'insert')
    expect(needsOf(shape)).toEqual({ exactTypes: true })
  })
  it('takes every kind of JSON as it is', () => {
    const encoder = { contentType: 'application/vnd.shop+json; charset=utf-8', encode: () => Buffer.from('{"a":1}') }
    const body = Buffer.from(cloudEventMessage({ mode: 'structured', encoder })(events.insertEvent).body).toString()
    expect(JSON.parse(body)).toMatchObject({ datacontenttype: encoder.contentType, data: { a: 1 } })
  })
  it('refuses an encoder with a content encoding, for which it has no place', () => {
    const encoder = { contentType: 'application/json', contentEncoding: 'gzip', encode: () => new Uint8Array() }
    expect(() => cloudEventMessage({ mode: 'structured', encoder })).toThrow(/`encoder.contentEncoding`/)
    expect(cloudEventMessage({ encoder })(events.insertEvent).contentEncoding).toBe('gzip')
  })
})

describe('the factory', () => {
  it('refuses what CloudEvents does not allow, and options that do not exist', () => {
    expect(() => cloudEventMessage({ mode: 'batch' as 'binary' })).toThrow(/`mode`/)
    expect(() => cloudEventMessage({ source: '' })).toThrow(/`source`/)
    expect(() => cloudEventMessage({ source: 'my shop' })).toThrow(/`source` to be a URI reference/)
    expect(() => cloudEventMessage({ typePrefix: '' })).toThrow(/`typePrefix`/)
    expect(() => cloudEventMessage({ dataschema: '/schema' })).toThrow(/`dataschema` to be an absolute URI/)
    expect(() => cloudEventMessage({ id: 'x' as never })).toThrow(/`id`/)
    expect(() => cloudEventMessage({ subject: 'x' } as object)).toThrow(/Unknown option `subject`/)
  })
})
