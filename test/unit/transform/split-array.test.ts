import fc from 'fast-check'
import { DBRef, Long } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { splitArray } from '../../../src/transform/split-array.js'
import { deleteEvent, dropEvent, insertEvent, updateEvent } from '../message/events.js'

function inserted(fullDocument: object): typeof insertEvent {
  return { ...insertEvent, fullDocument }
}

function documentsOf(path: string | readonly string[], document: object): unknown[] {
  const output = splitArray(path as string)(inserted(document))
  return (output as { fullDocument: unknown }[]).map(event => event.fullDocument)
}

describe('splitArray', () => {
  it('makes one event of each element, in the order of the array, and changes nothing in the input', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), lines => {
        const document = { _id: 1, shipment: { lines, by: 'air' } }
        const before = structuredClone(document)
        const expected = lines.map(line => ({ _id: 1, shipment: { lines: line, by: 'air' } }))
        expect(documentsOf('shipment.lines', document)).toEqual(expected)
        expect(document).toEqual(before)
      }),
    )
  })

  it('keeps all else of the event', () => {
    const [first] = splitArray('lines')(inserted({ lines: [1] })) as object[]
    expect(first).toEqual({ ...insertEvent, fullDocument: { lines: 1 } })
  })

  it('filters a document whose array is empty, missing or null', () => {
    for (const document of [{ lines: [] }, {}, { lines: null }, { a: null }]) {
      expect(documentsOf('lines', document)).toEqual([])
      expect(documentsOf('a.lines', document)).toEqual([])
    }
  })

  it('lets events without document pass as they are', () => {
    const gone = { ...updateEvent, fullDocument: null } as never
    for (const event of [deleteEvent, dropEvent, gone]) expect(splitArray('lines')(event)).toBe(event)
  })

  it('fails on anything that is no array, naming the path and no value', () => {
    const failing = (path: string, document: object) => () => documentsOf(path, document)
    expect(failing('lines', { lines: 'secret' })).toThrow('Expected `fullDocument.lines` of splitArray to be an array')
    expect(failing('a.lines', { a: [{ lines: [1] }] })).toThrow(
      'Expected `fullDocument.a` of splitArray to be a document',
    )
    expect(failing('a.low', { a: Long.fromNumber(1) })).toThrow('Expected `fullDocument.a` of splitArray')
    expect(failing('lines', { lines: 'secret' })).not.toThrow('secret')
  })

  it.each([
    ['a date', new Date(0)],
    ['a map', new Map([['x', [1]]])],
    ['bytes', Buffer.from('x')],
    ['a regular expression', /x/],
  ])('takes %s for no document, instead of filtering the event', (_, at) => {
    expect(() => documentsOf('at.x', { at })).toThrow(
      expect.objectContaining({
        code: 'CDC_TRANSFORM_FAILED',
        message: expect.stringContaining('Expected `fullDocument.at` of splitArray to be a document'),
      }),
    )
  })

  it('splits an array within what the driver takes for a reference, which is a document', () => {
    const ref = new DBRef('users', 1 as never, 'db', { tags: ['a', 'b'] })
    expect(documentsOf('ref.tags', { _id: 1, ref })).toEqual([
      { _id: 1, ref: { $ref: 'users', $id: 1, $db: 'db', tags: 'a' } },
      { _id: 1, ref: { $ref: 'users', $id: 1, $db: 'db', tags: 'b' } },
    ])
    expect(documentsOf('tags', ref)[1]).toEqual({ $ref: 'users', $id: 1, $db: 'db', tags: 'b' })
  })

  it('takes names from data for data', () => {
    expect(documentsOf('constructor', {})).toEqual([])
    const document = JSON.parse('{ "__proto__": [1], "a.b": [2] }')
    expect(Object.entries(documentsOf('__proto__', document)[0] as object)[0]).toEqual(['__proto__', 1])
    expect(documentsOf(['a.b'], document)[0]).toHaveProperty(['a.b'], 2)
  })

  it('gives event, element and index to a shape of your own', () => {
    const step = splitArray('lines', (event, line: string, index) => `${event.operationType} ${index} ${line}`)
    expect(step(inserted({ lines: ['a', 'b'] }))).toEqual(['insert 0 a', 'insert 1 b'])
  })

  it('refuses at once a path with an empty part, and a shape that is no function', () => {
    for (const path of ['', 'a..b', [], ['a', ''], 5]) {
      expect(() => splitArray(path as never)).toThrow('Expected `path of splitArray` to be')
    }
    expect(() => splitArray('a', 'b' as never)).toThrow('Expected `shape of splitArray` to be a function')
  })
})
