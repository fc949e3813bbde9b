import * as fc from 'fast-check'
import { BSON, Long } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { dateMs, millisecondsOf } from '../../../src/date-ms.js'
import { documentImageOf, markImage } from '../../../src/document-image.js'
import { TransformError } from '../../../src/errors.js'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import {
  type DeadLetterFacts,
  type DeadLetterMessageOptions,
  deadLetterMessage,
} from '../../../src/message/dead-letter-message.js'
import { ejsonText } from '../../../src/message/ejson-encoder.js'
import type { ChangeEvent } from '../../../src/message/event-facts.js'
import { parseDeadLetter } from '../../../src/message/parse-dead-letter.js'
import { EventDecoder } from '../../../src/source/decode-event.js'
import { redact } from '../../../src/transform/redact.js'
import { errorText } from '../pipeline/support/outlets.js'
import { bsonDocument } from './bson-arbitraries.js'
import { insertEvent, updateEvent } from './events.js'

const facts = (more: Partial<DeadLetterFacts> = {}): DeadLetterFacts => ({
  pipeline: 'orders',
  id: '826565E0C0',
  stage: 'transform',
  attempts: 2,
  error: new TransformError('CDC_TRANSFORM_FAILED', 'A transform threw', { cause: new TypeError('no total') }),
  event: insertEvent,
  failedAt: new Date(1_700_000_000_123),
  ...more,
})

const make = deadLetterMessage({ exchange: 'dead', routingKey: 'orders' })
const bodyOf = (more: Partial<DeadLetterFacts> = {}): Record<string, unknown> =>
  JSON.parse(Buffer.from(make(facts(more)).body).toString())

/** An event as the source decodes it. */
const decoded = (document: Record<string, unknown>, promoteValues: boolean): unknown =>
  new EventDecoder(BSON, promoteValues).decode(BSON.serialize(document))

describe('a dead letter', () => {
  it('tells in body and headers what failed, where, how often and when', () => {
    const message = make(facts())
    expect(message).toMatchObject({
      exchange: 'dead',
      routingKey: 'orders',
      contentType: 'application/json',
      type: 'dead-letter',
      timestamp: 1_700_000_000,
      headers: {
        'x-cdc-pipeline': 'orders',
        'x-cdc-event-id': '826565E0C0',
        'x-cdc-stage': 'transform',
        'x-cdc-attempts': 2,
        'x-cdc-failed-at': '2023-11-14T22:13:20.123Z',
        'x-cdc-error-code': 'CDC_TRANSFORM_FAILED',
        'x-cdc-error-name': 'TypeError',
        'x-cdc-error-message': 'no total',
      },
    })
    expect(message.messageId).toBeUndefined() // the pipeline gives the stable one
    expect(bodyOf()).toEqual({
      deadLetter: 1,
      pipeline: 'orders',
      id: '826565E0C0',
      stage: 'transform',
      attempts: 2,
      failedAt: '2023-11-14T22:13:20.123Z',
      error: {
        name: 'TransformError',
        code: 'CDC_TRANSFORM_FAILED',
        message: 'A transform threw',
        cause: { name: 'TypeError', message: 'no total' },
      },
      replaced: [],
      event: JSON.parse(ejsonText(insertEvent, 'canonical')),
    })
  })

  it('quotes neither the command nor the key that an error of MongoDB shows', () => {
    const quoting = [
      'not authorized on crm to execute command { find: "people", filter: { email: "~secret~" } }',
      'E11000 duplicate key error collection: crm.people index: email_1 dup key: { email: "~secret~" }',
    ]
    for (const text of quoting) {
      const error = new TransformError('CDC_TRANSFORM_FAILED', 'A transform threw', { cause: new Error(text) })
      const { body, headers } = make(facts({ error }))
      expect(`${Buffer.from(body)} ${JSON.stringify(headers)}`).not.toContain('secret')
      expect(headers?.['x-cdc-error-message']).toMatch(/^(not authorized on crm|E11000 .* email_1)$/)
    }
  })

  it.each(['stored', 'looked-up', 're-read', 'oversized'] as const)(
    'keeps that the document is %s, so that its message has the same header when it is sent again',
    async image => {
      const event = { ...updateEvent }
      markImage(event, image)
      const redact = (whole: ChangeEvent): ChangeEvent => ({
        operationType: whole.operationType,
        documentKey: whole.documentKey,
        fullDocument: whole.fullDocument,
      })
      const hiding = deadLetterMessage({ redact })
      for (const letter of [make(facts({ event })), hiding(facts({ event }))]) {
        const read = await parseDeadLetter(letter.body)
        expect(read.image).toBe(image)
        expect(documentImageOf(read.event)).toBe(image)
        const header = changeEventMessage()(event as never).headers?.['x-cdc-document']
        expect(header).toBe(image)
        expect(changeEventMessage()(read.event).headers?.['x-cdc-document']).toBe(header)
      }
    },
  )

  it('says nothing of the document where the source has said nothing, or the letter says what no source does', async () => {
    const { event, image } = await parseDeadLetter(make(facts()).body)
    expect([image, documentImageOf(event)]).toEqual([undefined, undefined])
    const body = JSON.stringify({ ...bodyOf(), image: 'painted' })
    expect(documentImageOf((await parseDeadLetter(body)).event)).toBeUndefined()
  })

  it('is alone enough to reproduce the failure', async () => {
    const transform = (event: { fullDocument: { total: BSON.Long } }): string => {
      if (event.fullDocument.total.toString() === '9007199254740993') throw new RangeError('one cent too many')
      return 'fine'
    }
    const { body } = make(facts())
    const { event, error } = await parseDeadLetter<Parameters<typeof transform>[0]>(body)
    expect(() => transform(event)).toThrow('one cent too many')
    expect(error.code).toBe('CDC_TRANSFORM_FAILED')
  })

  it.each([true, false])(
    'gives back every value as the source has decoded it, with `promoteValues: %s`',
    promoteValues =>
      fc.assert(
        fc.asyncProperty(bsonDocument, async document => {
          const event = decoded(document, promoteValues)
          const { event: read, replaced } = await parseDeadLetter(make(facts({ event })).body, { promoteValues })
          expect(replaced).toEqual([])
          expect(BSON.serialize(read)).toEqual(BSON.serialize(event as BSON.Document))
          expect(ejsonText(read)).toBe(ejsonText(event))
        }),
      ),
    30_000,
  )

  it.each([
    ['the last Int64 that is promoted', 2 ** 53, 'number'],
    ['a double beyond, which no Int64 is', -(2 ** 53) - 2, 'number'],
    ['a double beyond 64 bits', 2 ** 64, 'number'],
    ['an Int64 beyond', Long.fromString('9007199254740994'), 'object'],
  ])('gives back %s as what it was', async (_, n, type) => {
    const event = decoded({ n }, true)
    const { event: read } = await parseDeadLetter<{ n: unknown }>(make(facts({ event })).body)
    expect(typeof read.n).toBe(type)
    expect(read).toEqual(event)
  })

  it.each([
    ['what is the name of a class', { _bsontype: 'ObjectId', id: 'x' }],
    ['anything', { a: 1, _bsontype: { _bsontype: 'Long', low: 1 }, b: [{ _bsontype: null }] }],
    [
      'names that look like what stands for it meanwhile',
      { '\ue000_bsontype': 1, _bsontype: 2, '\ue000\ue000_bsontype': 3 },
    ],
    ['it in the scope of code', { code: new BSON.Code('f()', { '\ue000_bsontype': 1 }) }],
  ])('gives back a field `_bsontype` with %s', async (_, document) => {
    const { event } = await parseDeadLetter(make(facts({ event: { document } })).body)
    expect(ejsonText(event, 'canonical')).toBe(ejsonText({ document }, 'canonical'))
  })

  it('gives back a field `_bsontype` beside a date that JavaScript can not hold', async () => {
    const far = Object.defineProperty(new Date(Number.NaN), dateMs, { value: 9_000_000_000_000_000n })
    const { event } = await parseDeadLetter<{ _bsontype: { d: Date } }>(
      make(facts({ event: { _bsontype: { d: far } } })).body,
    )
    expect(millisecondsOf(event._bsontype.d)).toBe(9_000_000_000_000_000n)
  })

  it('keeps dates that JavaScript can not hold', async () => {
    const far = Object.defineProperty(new Date(Number.NaN), dateMs, { value: -9_000_000_000_000_000n })
    const { event } = await parseDeadLetter<{ a: { d: Date }[] }>(make(facts({ event: { a: [{ d: far }] } })).body)
    expect(millisecondsOf(event.a[0]?.d as Date)).toBe(-9_000_000_000_000_000n)
  })

  it('holds all that can be written of an event that a transform has spoilt, and tells the rest', () => {
    const cycle: Record<string, unknown> = { n: 1 }
    cycle.self = cycle
    const event = {
      fine: new Date(0),
      bad: new Date(Number.NaN),
      nested: [{ f: () => 1, n: 2 }, cycle],
      get trap(): never {
        throw new Error('trap')
      },
      map: new Map([['huge', 2n ** 70n]]),
    }
    expect(bodyOf({ event })).toMatchObject({
      event: {
        fine: { $date: { $numberLong: '0' } },
        bad: null,
        nested: [
          { f: null, n: { $numberInt: '2' } },
          { n: { $numberInt: '1' }, self: null },
        ],
        trap: null,
        map: { huge: null },
      },
      replaced: [
        { path: 'bad', problem: expect.stringContaining('an Invalid Date') },
        { path: 'nested.0.f', problem: expect.stringContaining('a function') },
        { path: 'nested.1.self' },
        { path: 'trap' },
        { path: 'map.huge', problem: expect.stringContaining('an integer of 64 bits') },
      ],
    })
  })

  it('can be made of anything that is thrown, over anything', () => {
    const trap = new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap')
        },
        ownKeys: () => {
          throw new Error('trap')
        },
      },
    )
    const circular = new Error('a')
    circular.cause = circular
    for (const thrown of [
      undefined,
      null,
      7,
      'text',
      Symbol('s'),
      trap,
      circular,
      { code: Number.NaN },
      new Error('\ud800'),
    ]) {
      const { headers, body } = make(facts({ error: thrown, event: thrown }))
      expect(typeof headers?.['x-cdc-error-message']).toBe('string')
      expect(() => JSON.parse(Buffer.from(body).toString())).not.toThrow()
    }
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
    })
    const encodes = fc.property(anything, value => {
      expect(() => bodyOf({ event: value, error: value })).not.toThrow()
    })
    expect(() => fc.assert(encodes)).not.toThrow()
  })

  it('leaves out of the headers an id that would crowd out the others', () => {
    const id = 'x'.repeat(9000)
    expect(make(facts({ id })).headers).not.toHaveProperty('x-cdc-event-id')
    expect(bodyOf({ id }).id).toBe(id)
  })

  it.each([
    [{ exchange: 'x'.repeat(256) }, 'CDC_OPTION_INVALID'],
    [{ routingKey: '' }, 'CDC_OPTION_INVALID'],
    [{ queue: 'dead' }, 'CDC_OPTION_UNKNOWN'],
    [{ redact: true }, 'CDC_OPTION_INVALID'],
    [{ redact: null }, 'CDC_OPTION_INVALID'],
    [{ redact: { card: 'remove' } }, 'CDC_OPTION_INVALID'],
    [{ redact }, 'CDC_OPTION_INVALID'], // the factory, not what it makes
  ])('is refused %j', (options, code) => {
    expect(() => deadLetterMessage(options as DeadLetterMessageOptions)).toThrow(expect.objectContaining({ code }))
  })
})

describe('parseDeadLetter', () => {
  it.each(['', 'text', '[]', '{}', '{"deadLetter":2,"id":"x","event":{}}', '{"deadLetter":1,"id":"x"}', 'null'])(
    'refuses %j',
    async body => {
      await expect(parseDeadLetter(body)).rejects.toMatchObject({ code: 'CDC_DEAD_LETTER_INVALID' })
    },
  )

  it.each([
    '~secret~',
    '{"deadLetter":1,"id":~secret~',
    '{"deadLetter":"~secret~","id":"x","event":{}}',
    '{"deadLetter":1,"id":"x","event":"~secret~"}',
    '{"deadLetter":1,"id":"x","event":{"a":{"$numberDecimal":"~secret~"}}}',
    '{"deadLetter":1,"id":"x","event":{"a":{"$oid":"~secret~"}}}',
    '{"deadLetter":1,"id":"x","event":{"a":{"$uuid":"~secret~"}}}',
    '{"deadLetter":1,"id":"x","event":{"~secret~\\u0000":1}}',
  ])('quotes nothing of what it can not read: %j', async body => {
    const error = await parseDeadLetter(body).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CDC_DEAD_LETTER_INVALID' })
    expect(errorText(error)).not.toContain('secret')
  })
})
