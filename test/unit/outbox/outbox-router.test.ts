import { inspect } from 'node:util'
import { ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { needsOf } from '../../../src/needs.js'
import { byAggregate } from '../../../src/outbox/by-aggregate.js'
import { outboxRouter } from '../../../src/outbox/outbox-router.js'
import { deleteEvent, dropEvent, invalidateEvent, updateEvent } from '../message/events.js'
import { inserted } from './support.js'

describe('outboxRouter', () => {
  it('makes the message of an entry', () => {
    const { body, ...rest } = outboxRouter()(inserted({ headers: { traceparent: '00-1' } })) ?? {}
    expect(String(body)).toBe('{"total":5}')
    expect(rest).toEqual({
      routingKey: 'order.placed',
      messageId: 'e1',
      contentType: 'application/json',
      type: 'placed',
      timestamp: 1701175488,
      headers: {
        traceparent: '00-1',
        'x-cdc-aggregate-type': 'order',
        'x-cdc-aggregate-id': '7',
        'x-cdc-cluster-time': '1701175488.0000000001',
        'x-cdc-order': '826565E0C0000000012B0229296E041',
      },
    })
  })

  it('filters everything but inserts, also the delete of an entry', () => {
    for (const event of [deleteEvent, updateEvent, dropEvent, invalidateEvent]) {
      expect(outboxRouter()(event)).toBeNull()
    }
  })

  it('fails on what is no change event, instead of filtering every entry', () => {
    for (const entry of [{ aggregateType: 'order', aggregateId: 7, type: 'placed', payload: {} }, null]) {
      expect(() => outboxRouter()(entry as never)).toThrow(
        expect.objectContaining({
          code: 'CDC_TRANSFORM_FAILED',
          message: expect.stringContaining('Expected a change event with `operationType`'),
        }),
      )
    }
  })

  it('fills the routing key from the entry, encoded, or asks a function', () => {
    const odd = inserted({ aggregateType: 'a.b', type: '#' })
    expect(outboxRouter()(odd)?.routingKey).toBe('a%2Eb.%23')
    const template = outboxRouter({ routingKey: 'x.{aggregateType}.{aggregateId}', exchange: 'events' })
    expect(template(inserted())).toMatchObject({ routingKey: 'x.order.7', exchange: 'events' })
    expect(outboxRouter({ routingKey: ({ type }) => `fn.${type}` })(inserted())?.routingKey).toBe('fn.placed')
    const long = outboxRouter({ routingKey: () => 'x'.repeat(256) })
    expect(() => long(inserted())).toThrow(expect.objectContaining({ code: 'CDC_ROUTING_KEY_TOO_LONG' }))
    const none = outboxRouter({ routingKey: () => 5 as never })
    expect(() => none(inserted())).toThrow(expect.objectContaining({ code: 'CDC_MESSAGE_INVALID' }))
  })

  it('lets own headers not be forged by an entry, and refuses those that send copies', () => {
    const forged = inserted({ headers: { 'x-cdc-aggregate-id': 'other' } })
    expect(outboxRouter()(forged)?.headers?.['x-cdc-aggregate-id']).toBe('7')
    for (const name of ['CC', 'BCC', 'bcc']) {
      expect(() => outboxRouter()(inserted({ headers: { [name]: 'q' } }))).toThrow('to be without CC and BCC')
    }
  })

  it('leaves out a header that is too long, and lets no entry forge it then', () => {
    const longest = 'é'.repeat(4096)
    const long = inserted({
      aggregateId: `${longest}x`,
      headers: { 'x-cdc-aggregate-id': 'other', traceparent: '00-1' },
    })
    expect(outboxRouter()(long)?.headers).toEqual({
      traceparent: '00-1',
      'x-cdc-aggregate-type': 'order',
      'x-cdc-cluster-time': '1701175488.0000000001',
      'x-cdc-order': '826565E0C0000000012B0229296E041',
    })
    expect(outboxRouter()(inserted({ aggregateId: longest }))?.headers?.['x-cdc-aggregate-id']).toBe(longest)
  })

  it.each([
    ['aggregateType', { aggregateType: 5 }],
    ['aggregateId', { aggregateId: null }],
    ['type', { type: '' }],
    ['type', { type: 'x'.repeat(256) }],
    ['payload', { payload: undefined }],
    ['headers', { headers: { n: 5 } }],
    ['headers', { headers: ['secret'] }],
  ])('fails on an entry whose %s is wrong, without a value of it: %o', (name, changes) => {
    const call = () => outboxRouter()(inserted({ payload: 'secret', ...changes }))
    expect(call).toThrow(expect.objectContaining({ name: 'TransformError', code: 'CDC_OUTBOX_ENTRY_INVALID' }))
    expect(call).toThrow(`Expected \`${name}\` of the outbox entry to be`)
    try {
      call()
    } catch (error) {
      expect(inspect(error)).not.toContain('secret')
    }
  })

  it('asks the source for exact types where it writes canonical EJSON', () => {
    expect(needsOf(outboxRouter({ ejson: 'canonical' })).exactTypes).toBe(true)
    expect(needsOf(outboxRouter()).exactTypes).toBe(false)
    const { body } = outboxRouter({ ejson: 'canonical' })(inserted({ payload: { at: new Date(5) } })) ?? {}
    expect(String(body)).toBe('{"at":{"$date":{"$numberLong":"5"}}}')
  })

  it('refuses at once what it does not know', () => {
    const refused = (options: object) => expect(() => outboxRouter(options)).toThrow(/^(Expected|Unknown)/)
    for (const options of [
      { ejson: 'x' },
      { routingKey: '{db}' },
      { routingKey: 5 },
      { exchange: 5 },
      { exchange: '\ud800' },
      { key: '' },
    ]) {
      refused(options)
    }
  })
})

describe('byAggregate', () => {
  it('gives entries of one aggregate one key, and those of others another one', () => {
    const key = byAggregate(inserted())
    expect(byAggregate(inserted({ _id: 'e2', type: 'paid' }))).toBe(key)
    expect(byAggregate(inserted({ aggregateId: 8 }))).not.toBe(key)
    expect(byAggregate(inserted({ aggregateType: 'cart' }))).not.toBe(key)
    const id = new ObjectId()
    expect(byAggregate(inserted({ aggregateId: id }))).toBe(byAggregate(inserted({ aggregateId: new ObjectId(id) })))
  })

  it('makes no barrier of the delete of an entry', () => {
    expect(byAggregate(deleteEvent)).toBe('entry/0123456789abcdef01234567')
  })
})
