import { Long } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { addMetadata } from '../../../src/transform/add-metadata.js'
import { pipe } from '../../../src/transform/pipe.js'
import { deleteEvent, insertEvent } from '../message/events.js'

describe('addMetadata', () => {
  it('adds the same fields to every event, and changes neither the event nor the fields', () => {
    const fields = { service: 'shop' }
    const step = addMetadata(fields)
    fields.service = 'changed later'
    expect(step(deleteEvent)).toEqual({ ...deleteEvent, metadata: { service: 'shop' } })
    expect(deleteEvent).not.toHaveProperty('metadata')
  })

  it('adds what a function makes of the event', () => {
    const step = addMetadata(event => ({ kind: event.operationType }))
    expect(step(insertEvent).metadata).toEqual({ kind: 'insert' })
  })

  it('adds to what is there; of two fields of one name the later wins', () => {
    const step = pipe(addMetadata({ a: 1, b: 1 }), addMetadata({ b: 2 }))
    expect(step(insertEvent).metadata).toEqual({ a: 1, b: 2 })
  })

  it('travels in the body of changeEventMessage', () => {
    const { body } = pipe(addMetadata({ service: 'shop' }), changeEventMessage())(insertEvent)
    expect(JSON.parse(String(body)).metadata).toEqual({ service: 'shop' })
  })

  it('takes `__proto__` for a name like any other', () => {
    const fields = JSON.parse('{ "__proto__": 1 }')
    expect(Object.keys(addMetadata(fields)(insertEvent).metadata)).toEqual(['__proto__'])
  })

  it('refuses what is no object, at once or when the function returns it', () => {
    for (const fields of [null, 'a', [1], new Map([['a', 1]]), new Date(0), new Long(1)]) {
      expect(() => addMetadata(fields as never)).toThrow(
        'Expected `fields of addMetadata` to be a plain object or a function',
      )
    }
    const returning = (value: unknown) => () => addMetadata(() => value as object)(insertEvent)
    expect(returning(undefined)).toThrow(expect.objectContaining({ code: 'CDC_TRANSFORM_UNDEFINED' }))
    expect(returning(Promise.resolve({}))).toThrow('got a promise')
    expect(returning([])).toThrow('got an array')
    expect(returning(new Map([['a', 1]]))).toThrow('got an instance of a class')
    expect(() => addMetadata(() => Object.create(null))(insertEvent)).not.toThrow()
    expect(returning(null)).toThrow(expect.objectContaining({ code: 'CDC_TRANSFORM_FAILED' }))
  })
})
