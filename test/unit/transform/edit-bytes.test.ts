import { inspect } from 'node:util'
import fc from 'fast-check'
import { BSON, type ChangeStreamDocument } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { deferredIn } from '../../../src/deferred-document.js'
import { ejsonText } from '../../../src/message/ejson-encoder.js'
import { decodeDocument } from '../../../src/source/decode-document.js'
import { EventDecoder } from '../../../src/source/decode-event.js'
import { addMetadata } from '../../../src/transform/add-metadata.js'
import { omit } from '../../../src/transform/omit.js'
import { pick } from '../../../src/transform/pick.js'
import { redact } from '../../../src/transform/redact.js'
import { rename } from '../../../src/transform/rename.js'
import { markedEvent, rulePaths } from './field-arbitraries.js'

type Step = (event: ChangeStreamDocument) => ChangeStreamDocument

const decoder = new EventDecoder(BSON, false)

/** As the source hands it out. */
function undecoded(bytes: Uint8Array): ChangeStreamDocument {
  return decoder.decode(bytes) as unknown as ChangeStreamDocument
}

function decoded(bytes: Uint8Array): ChangeStreamDocument {
  return decodeDocument(bytes, BSON.deserialize, false) as ChangeStreamDocument
}

function eventOf(fields: object): Uint8Array {
  return BSON.serialize({ _id: { _data: '82' }, operationType: 'update', ns: { db: 'a', coll: 'b' }, ...fields })
}

/** Everything of an event, with types and the order of fields. */
function looks(event: object): string {
  return `${inspect(event, { depth: 20 })}\n${ejsonText(event, 'canonical')}`
}

const steps: Readonly<Record<string, (paths: readonly string[][]) => Step>> = {
  omit: paths => omit(...(paths as [string[]])),
  pick: paths => pick(...(paths as [string[]])),
  'redact with masks': paths => redact(paths.map(path => [path, { mask: '<hidden>' }] as const)),
  'redact with ends': paths => redact(paths.map(path => [path, { mask: '*', keepLast: 1 }] as const)),
  'omit, pick and addMetadata': paths => event =>
    addMetadata({ a: 1 })(pick('a', 'b', 'c')(omit(...(paths as [string[]]))(event))) as ChangeStreamDocument,
}

describe.each(Object.keys(steps))('%s of what nobody has decoded', name => {
  it.each([true, false])(
    'gives to the last field what it gives of the decoded event, paths explained: %s',
    explained => {
      const property = fc.property(
        rulePaths,
        markedEvent(explained),
        (paths, { documents, documentKey, description }) => {
          const [fullDocument, fullDocumentBeforeChange] = documents
          const bytes = eventOf({ fullDocument, fullDocumentBeforeChange, documentKey, updateDescription: description })
          const step = steps[name]?.(paths) as Step
          expect(looks(step(undecoded(bytes)))).toBe(looks(step(decoded(bytes))))
        },
      )
      fc.assert(property, { numRuns: 300 })
    },
  )
})

describe('an event with a document that nobody has decoded', () => {
  const document = {
    _id: 7,
    card: { number: 1, owner: 'o' },
    lines: [{ sku: 's', cost: 1 }, 'x', [{ cost: 2 }], { cost: 3 }],
    note: null,
    text: 'ü'.repeat(40_000),
  }
  const insert = eventOf({ fullDocument: document, documentKey: { _id: 7 } })
  const update = eventOf({
    documentKey: { _id: 7 },
    updateDescription: {
      updatedFields: { 'card.owner': 'p', 'a.b': 3, lines: [{ cost: 1, sku: 's' }] },
      removedFields: [],
    },
  })
  const all: readonly (readonly [string, Step])[] = [
    ['omit', omit('card', 'lines.cost', 'none')],
    ['pick', pick('card.owner', 'lines.sku')],
    ['redact', redact({ 'card.owner': { mask: '****' }, 'lines.cost': 'remove', note: { mask: 'ü' } })],
  ]

  it.each(all)('stays undecoded behind %s', (_, step) => {
    for (const [bytes, field] of [
      [insert, 'fullDocument'],
      [update, 'updateDescription'],
    ] as const) {
      const given = undecoded(bytes)
      const edited = step(given)
      expect(edited === given).toBe(false) // not `toBe`, which compares the fields, too, and so reads them
      expect(deferredIn(edited, field)).toBeDefined()
      expect(deferredIn(given, field)).toBeDefined()
      expect(looks(edited)).toBe(looks(step(decoded(bytes))))
      expect(looks(given)).toBe(looks(decoded(bytes)))
    }
  })

  it.each([
    ['omit', omit('cards', 'text.a.b', 'lines.price')],
    ['pick', pick('card', 'lines', 'note', 'text', 'a.b')],
    ['redact', redact({ 'card.owners': 'remove' })],
  ])('is returned itself by %s where nothing is edited', (_, step) => {
    const given = undecoded(
      eventOf({ fullDocument: { _id: 7, card: {}, lines: [], note: null }, documentKey: { _id: 7 } }),
    )
    expect(step(given) === given).toBe(true)
    expect(deferredIn(given, 'fullDocument')).toBeDefined()
  })

  it('is decoded for what needs its values, once', () => {
    const given = undecoded(insert)
    const edited = rename({ note: 'remark' })(redact({ text: { mask: '', keepLast: 2 } })(given) as never)
    expect(deferredIn(given, 'fullDocument')).toBeUndefined()
    expect((edited as { fullDocument?: object }).fullDocument).toMatchObject({ remark: null, text: 'üü' })
  })

  it('is edited as an object once it was read, and changed', () => {
    const given = undecoded(insert) as unknown as { fullDocument: { card?: object; note?: string } }
    given.fullDocument.note = 'changed'
    const edited = omit('card')(given as never) as unknown as typeof given
    expect(edited.fullDocument.note).toBe('changed')
    expect(edited.fullDocument.card).toBeUndefined()
  })

  it('keeps symbols of the event, and shares with its copy what is read later', () => {
    const mark = Symbol('mark')
    const given = Object.assign(undecoded(insert), { [mark]: 1 })
    const marked = addMetadata({ a: 1 })(given as never) as unknown as typeof given & { fullDocument: object }
    expect(marked[mark]).toBe(1)
    expect(deferredIn(given, 'fullDocument')).toBeDefined()
    expect(marked.fullDocument).toBe((given as unknown as typeof marked).fullDocument)
    expect(Object.keys(marked)).toEqual([...Object.keys(given), 'metadata'])
  })

  it.each([
    [
      'a name that stands there twice',
      [
        [0x10, 'a', 1, 0, 0, 0],
        [0x0a, 'b'],
        [0x02, 'a', 1, 0, 0, 0, 0],
      ],
    ],
    [
      'a name that is no UTF-8',
      [
        [0x10, '\xff', 1, 0, 0, 0],
        [0x0a, 'a'],
      ],
    ],
    ['a reference of the old kind', [[0x0c, 'a', 2, 0, 0, 0, 0x62, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]],
  ] as const)('is decoded for %s', (_, elements) => {
    const body = Buffer.concat(
      elements.map(([type, name, ...value]) =>
        Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`, 'latin1'), Buffer.from(value)]),
      ),
    )
    const raw = Buffer.concat([Buffer.from([body.length + 5, 0, 0, 0]), body, Buffer.from([0])])
    const placeholder = BSON.serialize({ _id: { _data: '82' }, operationType: 'insert', fullDocument: {} })
    const event = Buffer.concat([placeholder.subarray(0, -6), raw, Buffer.from([0])])
    event.writeInt32LE(event.length, 0)
    for (const step of [omit('a.x'), pick('a', '\ufffd'), redact({ '\ufffd': 'remove', 'a.b': { mask: 'x' } })]) {
      expect(looks(step(undecoded(event)))).toBe(looks(step(decoded(event))))
    }
  })
})
