import { deepStrictEqual } from 'node:assert/strict'
import { inspect } from 'node:util'
import { BSON } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { deferredIn } from '../../src/deferred-document.js'
import { EventDecoder } from '../../src/source/decode-event.js'

const plain = () => ({
  _id: { _data: '8265' },
  operationType: 'update',
  fullDocument: { a: 1, b: { c: [2] } },
  ns: { db: 'shop', coll: 'orders' },
  documentKey: { _id: 'x' },
  fullDocumentBeforeChange: { a: 0 },
  updateDescription: { updatedFields: { a: 1 }, removedFields: [] },
})
type Event = ReturnType<typeof plain>
const event = () => new EventDecoder(BSON, true).decode(BSON.serialize(plain())) as unknown as Event

describe('an event whose documents nobody has read', () => {
  it.each<[string, (event: Event) => unknown]>([
    ['Object.keys', Object.keys],
    ['Object.entries', Object.entries],
    ['a spread', event => ({ ...event })],
    ['Object.assign', event => Object.assign({}, event)],
    ['JSON.stringify', event => JSON.stringify(event)],
    ['structuredClone', event => structuredClone(event)],
    ['util.inspect', event => inspect(event)],
    ['util.inspect of something around it, not deep', event => inspect({ x: [event] }, { depth: 2 })],
    ['`in`', event => ['fullDocument' in event, Object.hasOwn(event, 'fullDocument'), 'other' in event]],
    [
      'for … in',
      event => {
        const names = []
        for (const name in event) names.push(name)
        return names
      },
    ],
    ['its prototype', event => Object.getPrototypeOf(event)],
    ['destructuring', ({ fullDocument, ...rest }) => [fullDocument, rest]],
    ['an heir', event => Object.create(event).fullDocument],
  ])('looks like any other to %s', (_, look) => {
    expect(look(event())).toEqual(look(plain()))
  })

  it('is equal to the same event as a plain object', () => {
    expect(event()).toEqual(plain())
    expect(event()).toStrictEqual(plain())
    deepStrictEqual(event(), plain())
  })

  it('gives the same object each time, which can be changed', () => {
    const read = event()
    read.fullDocument.a = 5
    expect(read.fullDocument).toBe(read.fullDocument)
    expect(read.fullDocument.a).toBe(5)
    expect(deferredIn(read, 'fullDocument')).toBeUndefined()
    expect(deferredIn(read, 'fullDocumentBeforeChange')).toBeDefined()
  })

  it('can be written to, and rid of a document', () => {
    const written = event()
    written.fullDocument = { a: 9, b: { c: [] } }
    expect(written).toEqual({ ...plain(), fullDocument: { a: 9, b: { c: [] } } })
    expect(deferredIn(written, 'fullDocument')).toBeUndefined()
    const { fullDocument, ...rest } = plain()
    const rid: Partial<Event> = event()
    delete rid.fullDocument
    expect(rid).toEqual(rest)
    expect(deferredIn(rid, 'fullDocument')).toBeUndefined()
  })

  it('can be frozen, read then, and not be written to', () => {
    const frozen = Object.freeze(event())
    expect(frozen.fullDocument).toEqual({ a: 1, b: { c: [2] } })
    expect(() => Object.assign(frozen, { fullDocument: 1 })).toThrow(TypeError)
    expect(frozen.fullDocument).toEqual({ a: 1, b: { c: [2] } })
  })

  it('leaves nothing of itself in a copy', () => {
    const copy = { ...event(), fullDocument: { a: 2 } }
    expect(deferredIn(copy, 'fullDocument')).toBeUndefined()
    expect(deferredIn(copy, 'fullDocumentBeforeChange')).toBeUndefined()
    expect(Reflect.ownKeys(copy)).toEqual(Object.keys(plain()))
  })

  it('does not hold the reply of the server that it came with', () => {
    const reply = Buffer.alloc(1_000_000)
    const bytes = BSON.serialize(plain())
    reply.set(bytes, 500_000)
    const read = new EventDecoder(BSON, true).decode(reply.subarray(500_000, 500_000 + bytes.length))
    expect(deferredIn(read, 'fullDocument')?.bytes.buffer).not.toBe(reply.buffer)
  })
})
