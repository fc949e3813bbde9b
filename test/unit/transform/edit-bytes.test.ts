import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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

/** `DBPointer`: the name of a collection, and an id. */
const POINTER = [2, 0, 0, 0, 0x62, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]

/** Of all buffers that are in use. */
async function bytesInBuffers(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let times = 0; times < 3; times++) {
    collect()
    await setImmediate() // what a buffer had is given back later
  }
  return process.memoryUsage().arrayBuffers
}

function nested(levels: number, value: unknown): unknown {
  return levels === 0 ? value : [nested(levels - 1, value)]
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

  it.each<[string, Step, object]>([
    [
      'two masks that meet',
      redact([
        [['a', '0', 'x'], { mask: 'M' }],
        [['a', 'x'], { mask: 'N' }],
      ]),
      { a: [{ x: 1 }] },
    ],
    ['an untouched document behind a long text', omit('a.x'), { t: 'x'.repeat(1_100_000), a: { y: 1 } }],
    ['such a document, and a field behind it', omit('a.x', 'z'), { t: 'x'.repeat(80_000), a: { y: 1 }, z: 1 }],
    ['150 arrays, one in the other', omit('a.s'), { a: nested(150, { s: 1 }) }],
    ['a name that is half a character in a rule', omit(['\ud800', 'x'], '\ufffd'), { '\ufffd': { x: 1, secret: 'S' } }],
    ['such a name alone', pick('\ud800'), { '\ufffd': 'S' }],
    ['an own `__proto__`', omit('a'), JSON.parse('{"__proto__":{"a":1},"a":2}')],
    ['nothing but what goes', omit('a', 'b'), { a: 1, b: 2 }],
    ['a longer mask for each of many', redact({ 'a.x': { mask: 'ü'.repeat(300) } }), { a: Array(500).fill({ x: 1 }) }],
  ])('is edited as decoded: %s', (_, step, fullDocument) => {
    const bytes = BSON.serialize(
      { _id: { _data: '82' }, operationType: 'insert', fullDocument },
      { ignoreUndefined: false },
    )
    expect(looks(step(undecoded(bytes)))).toBe(looks(step(decoded(bytes))))
  })

  it.each<[string, Step, object]>([
    [
      'two masks that meet',
      redact([
        [['a', '0', 'x'], { mask: 'M' }],
        [['a', 'x'], { mask: 'N' }],
      ]),
      { 'a.0.x': 5 },
    ],
    ['a position that goes', omit('a.0'), { 'a.0': 5, b: 1 }],
    ['an array at a position', pick('a.5'), { 'a.0': [0, 1, 2, 3, 4, 5] }],
    ['a path into what goes', omit('a'), { 'a.b': 1, c: 2 }],
    ['a path into what is masked', redact({ a: { mask: 'x' } }), { 'a.b': 1, c: 2 }],
    ['a text where a rule leads into fields', omit('a.b'), { a: 'text', c: 2 }],
    ['null there', omit('a.b'), { a: null, c: 2 }],
  ])('has its update edited as decoded: %s', (_, step, updatedFields) => {
    const bytes = eventOf({ updateDescription: { updatedFields, removedFields: [] } })
    expect(looks(step(undecoded(bytes)))).toBe(looks(step(decoded(bytes))))
  })

  it('has its update edited as decoded: a reference of the old kind', () => {
    const text = 'thirteen long' // as long as the reference that is put there instead
    const bytes = Buffer.from(eventOf({ updateDescription: { updatedFields: { 'a.0': text }, removedFields: [] } }))
    const value = bytes.indexOf(text) - 4
    bytes.set(POINTER, value)
    bytes[value - 'a.0\0'.length - 1] = 0x0c
    for (const step of [pick('a.5'), omit('a.5'), redact({ 'a.0': { mask: 'x' } })]) {
      expect(looks(step(undecoded(bytes)))).toBe(looks(step(decoded(bytes))))
    }
  })

  it('keeps its prototype in a copy, whatever its fields are called', () => {
    const given = undecoded(insert)
    Object.defineProperty(given, '__proto__', { value: { evil: true }, enumerable: true })
    const marked = addMetadata({ a: 1 })(given as never) as object
    expect(Object.getPrototypeOf(marked)).toBe(Object.prototype)
    expect(Object.getOwnPropertyDescriptor(marked, '__proto__')?.value).toEqual({ evil: true })
  })

  it('has its update undecoded where a document in it has the names of others', () => {
    const given = undecoded(eventOf({ updateDescription: { updatedFields: { x: { s: 1, b: 2 }, b: 1 } } }))
    expect(deferredIn(omit('x.s')(given), 'updateDescription')).toBeDefined()
  })

  it('holds no memory when it has to be decoded after much was copied', async () => {
    const big = { a: 1, big: 'x'.repeat(8_000_000), b: 1, z: { 7: 1, c: 1 } }
    const given = undecoded(eventOf({ fullDocument: big }))
    const before = await bytesInBuffers()
    omit('a', 'b', 'z.c')(given) // the bytes of the document are let go of, too
    expect((await bytesInBuffers()) - before).toBeLessThan(-7_000_000)
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
    [
      'a field of undefined',
      [
        [0x06, 'a'],
        [0x0a, 'b'],
      ],
    ],
    ['a reference of the old kind', [[0x0c, 'a', ...POINTER]]],
    ['a reference of the old kind in an array', [[0x04, 'a', 26, 0, 0, 0, 0x0c, 0x30, 0, ...POINTER, 0]]],
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
    for (const step of [
      omit('a.x'),
      pick('a.5'),
      pick('a', '\ufffd'),
      redact({ '\ufffd': 'remove', 'a.b': { mask: 'x' } }),
    ]) {
      expect(looks(step(undecoded(event)))).toBe(looks(step(decoded(event))))
    }
  })
})
