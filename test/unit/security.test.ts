import { BSON, BSONRegExp, type ChangeStreamDocument, type Document, ObjectId, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { messageOf } from '../../src/errors.js'
import {
  addMetadata,
  changeEventMessage,
  cloudEventMessage,
  debeziumMessage,
  documentMessage,
  isCdcError,
  omit,
  pipe,
  type RabbitMessage,
  redact,
  rename,
  splitArray,
  type Transform,
  validate,
  whenChanged,
} from '../../src/index.js'
import { threw } from '../../src/pipeline/threw.js'

/** What docs/security.md promises of data that want to be more than data. */

function updateOf(document: Document, updatedFields: Document, ns = { db: 'shop', coll: 'orders' }) {
  const _id = new ObjectId('0123456789abcdef01234567')
  return {
    _id: { _data: '8263' },
    operationType: 'update',
    clusterTime: Timestamp.fromBits(1, 1),
    ns,
    documentKey: { _id },
    fullDocument: { _id, ...document },
    updateDescription: { updatedFields, removedFields: [], truncatedArrays: [] },
  } as unknown as ChangeStreamDocument
}

const shapes = { changeEventMessage, documentMessage, debeziumMessage, cloudEventMessage }
const steps = (): Transform<ChangeStreamDocument, ChangeStreamDocument> =>
  pipe(
    whenChanged('a', '__proto__', 'constructor'),
    omit('gone', 'deep.__proto__.gone'),
    rename({ old: 'new', 'deep.constructor.old': 'new' }),
    redact({ card: 'remove', 'deep.__proto__.card': { mask: '*' } }),
    addMetadata(JSON.parse('{"__proto__":{"polluted":1},"tenant":"t"}')),
  )

/** The body, also of the shape that holds documents as text within its text. */
function bodyOf(shape: keyof typeof shapes, event: ChangeStreamDocument): string {
  const options = { cloudEventMessage: { source: '/shop' }, debeziumMessage: { name: 'shop' } }[shape as string] ?? {}
  const factory = shapes[shape] as (options: object) => (event: ChangeStreamDocument) => RabbitMessage
  const message = pipe(steps(), factory(options))(event) as RabbitMessage
  return Buffer.from(message.body).toString().replaceAll('\\"', '"')
}

describe.each(Object.keys(shapes) as (keyof typeof shapes)[])('through all transforms and %s', shape => {
  it('names that mean something to JavaScript are data, at every depth and in descriptions of updates', () => {
    const hostile = (depth: number): Document => {
      const inner = depth === 0 ? { polluted: true, card: '4111' } : hostile(depth - 1)
      const entries = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'toJSON']
      return Object.fromEntries(entries.map(name => [name, inner]))
    }
    const before = Reflect.ownKeys(Object.prototype).length
    const event = updateOf(
      { a: 1, deep: hostile(3), list: [hostile(1)] },
      JSON.parse(
        '{"__proto__.polluted":true,"constructor.prototype.polluted":true,"__proto__":{"polluted":true},"a":1}',
      ),
    )
    const body = bodyOf(shape, event)
    expect(body).toContain('"__proto__"')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect((() => {}) as { polluted?: unknown }).not.toHaveProperty('polluted')
    expect(Reflect.ownKeys(Object.prototype)).toHaveLength(before)
  })

  it('an evil regular expression, and code, pass unread', () => {
    const text = `${'a'.repeat(50_000)}!`
    const fields = { pattern: new BSONRegExp('(a+)+$'), code: new BSON.Code('while (true) {}'), text, a: text }
    const since = performance.now()
    const body = bodyOf(shape, updateOf(fields, { a: text }))
    // It would take longer than the universe has.
    expect(performance.now() - since).toBeLessThan(2_000)
    expect(body).toContain('(a+)+$')
    expect(body).toContain('while (true) {}')
  })

  it('a document as deep as MongoDB stores it is carried', () => {
    let deep: Document = { bottom: 1 }
    for (let level = 0; level < 175; level++) deep = { deep }
    expect(bodyOf(shape, updateOf({ deep }, { a: 1 }))).toContain('"bottom":1')
  })
})

describe('the text of an error', () => {
  // Line feeds, a terminal's escape, the ends of a line that Unicode knows beside, and one of the second block.
  const forged = 'a\r\n2024-01-01 root logged in\u001b[2J\u0085\u009b1m\u2028\u2029\u007f\u0000z'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

  it('holds no control characters, whoever made it', () => {
    expect(messageOf(new Error(forged))).not.toMatch(control)
    expect((threw('A transform', new Error(forged)) as Error).message).not.toMatch(control)
  })

  it('holds none of a document, a name or a namespace that a step fails on', () => {
    const schema = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: forged, path: [forged] }] }) },
    }
    const event = updateOf({ [forged]: forged, list: forged, to: 1, from: 2 }, {}, { db: 'shop', coll: forged })
    const failing: Record<string, (event: ChangeStreamDocument) => unknown> = {
      validate: validate(schema as never, { messages: true }),
      splitArray: event => splitArray('list')(event as never),
      rename: event => rename({ from: 'to' })(event as never),
      routingKey: changeEventMessage({ routingKey: () => 5 as never }),
      headers: changeEventMessage({ headers: () => forged as never }),
    }
    const texts: Record<string, string> = {}
    for (const [name, step] of Object.entries(failing)) {
      try {
        step(event)
      } catch (error) {
        if (isCdcError(error)) texts[name] = `${error.message} ${error.hint}`
      }
    }
    expect(Object.keys(texts)).toEqual(
      expect.arrayContaining(['validate', 'splitArray', 'rename', 'routingKey', 'headers']),
    )
    for (const text of Object.values(texts)) expect(text).not.toMatch(control)
  })
})
