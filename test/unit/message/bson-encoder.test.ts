import fc from 'fast-check'
import { BSON, Double, Int32, Long, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { dateMs } from '../../../src/date-ms.js'
import { bsonEncoder } from '../../../src/message/bson-encoder.js'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { ejsonText } from '../../../src/message/ejson-encoder.js'
import { needsOf } from '../../../src/needs.js'
import * as events from './events.js'

const encoder = bsonEncoder({ BSON })
const decoded = (body: ReadonlyMap<string, unknown>) => BSON.deserialize(encoder.encode(body), { promoteValues: false })

describe('bsonEncoder', () => {
  it('writes a change event with every type kept', () => {
    const event = { ...events.insertEvent, fullDocument: { a: new Int32(1), b: new Double(1), c: Long.fromNumber(1) } }
    const message = changeEventMessage({ encoder })(event as never)
    expect(message.contentType).toBe('application/bson')
    const body = BSON.deserialize(message.body, { promoteValues: false })
    expect(ejsonText(body.fullDocument, 'canonical')).toBe(
      '{"a":{"$numberInt":"1"},"b":{"$numberDouble":"1.0"},"c":{"$numberLong":"1"}}',
    )
    expect(Object.keys(body)).toEqual(['operationType', 'ns', 'documentKey', 'fullDocument', 'clusterTime', 'wallTime'])
    expect(needsOf(changeEventMessage({ encoder }))).toEqual({ exactTypes: true })
  })

  it('gives a document back with its values, whatever it is', () => {
    const value = fc.letrec(tie => ({
      value: fc.oneof(
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(n => new Int32(n)),
        fc.double().map(n => new Double(n)),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(n => Long.fromBigInt(n)),
        fc.date({ noInvalidDate: true }),
        fc.uint8Array({ minLength: 12, maxLength: 12 }).map(bytes => new ObjectId(bytes)),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.stringMatching(/^[^\0$]+$/), tie('value'), { maxKeys: 3 }),
      ),
    })).value
    fc.assert(
      fc.property(value, any => {
        const { v } = decoded(new Map([['v', any]]))
        expect(ejsonText(v, 'canonical')).toBe(ejsonText(any, 'canonical'))
      }),
    )
  })

  it('takes names from data as data', () => {
    const document = JSON.parse('{"__proto__":{"a":true},"_bsontype":"ObjectId","toBSON":"x","$ref":"y"}')
    expect(ejsonText(decoded(new Map([['d', document]])).d)).toBe(JSON.stringify(document))
  })

  it('writes null for undefined, as Extended JSON does', () => {
    expect(decoded(new Map([['a', undefined]]))).toEqual({ a: null })
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  const beyond = Object.defineProperty(new Date(Number.NaN), dateMs, { value: 9_000_000_000_000_000n })
  it.each([
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['an Invalid Date', new Date(Number.NaN)],
    ['a date that JavaScript can not hold', beyond],
    ['an integer beyond 64 bits', 2n ** 63n],
    ['a cycle', cycle],
  ])('fails the event over %s, instead of writing something else', (_, value) => {
    const transform = changeEventMessage({ encoder })
    const event = { ...events.insertEvent, fullDocument: { deep: [value] } }
    expect(() => transform(event as never)).toThrow(expect.objectContaining({ code: 'CDC_ENCODE_FAILED' }))
  })

  it('fails the event over values of another major of the library', () => {
    const foreign = Object.create({ [Symbol.for('@@mdb.bson.version')]: 5, _bsontype: 'ObjectId' })
    const transform = changeEventMessage({ encoder })
    expect(() => transform({ ...events.insertEvent, fullDocument: { _id: foreign } } as never)).toThrow(
      expect.objectContaining({ code: 'CDC_ENCODE_FAILED', cause: expect.any(Error) }),
    )
  })

  it('is refused without the library', () => {
    expect(() => bsonEncoder({} as never)).toThrow(/`BSON` to be an object with a method `serialize`/)
    expect(() => bsonEncoder({ BSON, mode: 'relaxed' } as never)).toThrow(/Unknown option/)
  })
})
