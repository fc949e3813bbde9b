import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import {
  Binary,
  BSONSymbol,
  type ChangeStreamDocument,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  ObjectId,
} from 'mongodb'
import { describe, expect, it } from 'vitest'
import { isCdcError } from '../../../src/errors.js'
import { redact } from '../../../src/transform/redact.js'
import type { Redaction } from '../../../src/transform/redaction.js'
import { _id, descriptionAfter, documentAfter, insertOf, updatedAfter, updateOf } from './update-events.js'

const key = 'a key of more than 16 bytes'
const hash: Redaction = { hash: { key } }
const hmac = (text: string, encoding: 'hex' | 'base64url' = 'hex'): string =>
  createHmac('sha256', key).update(text).digest(encoding)

/** Rules whose paths are arrays of names. */
const byNames = (...paths: (readonly string[])[]) => redact(paths.map(path => [path, 'remove'] as const))

describe('redact', () => {
  it('leaves out, masks and hashes fields of both images', () => {
    const document = {
      _id,
      card: { number: '4111', holder: 'Ann' },
      iban: 'DE12345678901234',
      email: 'a@b.c',
      total: 1,
    }
    const step = redact({ 'card.number': 'remove', iban: { mask: '****', keepLast: 4 }, email: hash })
    const expected = { _id, card: { holder: 'Ann' }, iban: '****1234', email: hmac('a@b.c'), total: 1 }
    expect(step(insertOf(document, { fullDocumentBeforeChange: document }))).toEqual(
      insertOf(expected, { fullDocumentBeforeChange: expected }),
    )
  })

  it('returns the very event when no rule hits anything', () => {
    const events = [
      insertOf({ a: Number.NaN }),
      updateOf({ updatedFields: { a: 1 } }),
      { operationType: 'drop' } as never,
    ]
    const step = redact({ secret: 'remove', 'b.secret': hash })
    expect(events.map(event => step(event) === event)).toEqual([true, true, true])
  })

  it('shares with its input what it does not change', () => {
    const document = { card: { number: 1 }, lines: [{ sku: 1 }] }
    const redacted = documentAfter(redact({ 'card.number': 'remove' }), document) as typeof document
    expect(redacted).not.toBe(document)
    expect(redacted.lines).toBe(document.lines)
  })

  it('reaches into arrays, nested ones too, and leaves null for an element that goes', () => {
    const step = redact({ 'lines.sku': 'remove' })
    expect(documentAfter(step, { lines: [{ sku: 1, n: 2 }, [{ sku: 1 }], [], 'scalar'] })).toEqual({
      lines: [{ n: 2 }, [{}], [], null],
    })
  })

  it('hides one element where a rule names its position', () => {
    expect(documentAfter(redact({ 'tags.1': 'remove' }), { tags: ['a', 'b', ['c', 'd']] })).toEqual({
      tags: ['a', null, ['c', 'd']],
    })
  })

  it('takes a number in a rule for the name of a field too, as MongoDB does', () => {
    const step = redact({ 'years.2023': 'remove' })
    expect(documentAfter(step, { years: [{ 2023: 's', 2024: 1 }] })).toEqual({ years: [{ 2024: 1 }] })
    expect(updatedAfter(step, { 'years.0.2023': 's', 'years.0.2024': 1 })).toEqual({
      'years.0.2023': null,
      'years.0.2024': 1,
    })
  })

  it.each<[string, string, unknown, object]>([
    ['card', 'card', { number: 's' }, {}],
    ['card', 'card.number', 's', {}],
    ['card.number', 'card', { number: 's', exp: 1 }, { card: { exp: 1 } }],
    ['card.number', 'card.number', 's', {}],
    ['card.number', 'card.number.x', 's', {}],
    ['card.number', 'card.exp', 1, { 'card.exp': 1 }],
    ['card.number', 'cards.number', 1, { 'cards.number': 1 }],
    ['lines.sku', 'lines.3.sku', 's', {}],
    ['lines.sku', 'lines.3', { sku: 's', n: 1 }, { 'lines.3': { n: 1 } }],
    ['lines.sku', 'lines.3.4', { sku: 's', n: 1 }, { 'lines.3.4': { n: 1 } }],
    ['lines.sku', 'lines', [{ sku: 's', n: 1 }], { lines: [{ n: 1 }] }],
    ['lines.0.sku', 'lines.1.sku', 1, { 'lines.1.sku': 1 }],
    ['lines.0.sku', 'lines.0.sku', 's', {}],
    ['tags.0', 'tags.0', 's', { 'tags.0': null }],
    ['0', '0', 's', {}],
    ['2023', '2023', 's', {}],
    ['tags.0', 'tags.1', 1, { 'tags.1': 1 }],
    ['__proto__', '__proto__', 's', {}],
    ['__proto__.x', '__proto__.x', 's', {}],
    ['constructor', 'a', 1, { a: 1 }],
  ])('with a rule for %s, an update of %s to %o', (path, changed, value, expected) => {
    expect(updatedAfter(redact([[path, 'remove']]), Object.fromEntries([[changed, value]]))).toEqual(expected)
  })

  it('counts every reading of a path that the server does not explain', () => {
    const updatedFields = { 'a.b': 's', 'x.a.b.c': 's', keep: 1 }
    expect(updatedAfter(byNames(['a.b'], ['x', 'a.b', 'c']), updatedFields)).toEqual({ keep: 1 })
    expect(updatedAfter(redact({ 'a.b': 'remove', 'x.a': 'remove' }), updatedFields)).toEqual({ keep: 1 })
  })

  it('tells a name with a dot from a path where the server does, and keeps its explanations consistent', () => {
    const description = {
      updatedFields: { 'a.b': 1, 'm.x.y': 2, 'm.5': 3 },
      removedFields: ['q.r'],
      disambiguatedPaths: { 'a.b': ['a.b'], 'm.x.y': ['m', 'x.y'], 'm.5': ['m', '5'], 'q.r': ['q.r'] },
    }
    expect(descriptionAfter(redact({ 'a.b': 'remove', 'm.x': 'remove' }), description)).toMatchObject(description)
    expect(descriptionAfter(byNames(['a.b'], ['m', 'x.y'], ['q.r']), description)).toMatchObject({
      updatedFields: { 'm.5': 3 },
      removedFields: [],
      disambiguatedPaths: { 'm.5': ['m', '5'] },
    })
  })

  it('shows no names below a field that it hides: they may be data', () => {
    const description = {
      updatedFields: { 'people.ann@b.c': 1, 'm.people.x.y': 1 },
      removedFields: ['people.bob@b.c', 'notes'],
      truncatedArrays: [{ field: 'people.eve@b.c', newSize: 1 }],
      disambiguatedPaths: { 'm.people.x.y': ['m', 'people', 'x.y'], 'people.bob@b.c': ['people', 'bob@b.c'] },
    }
    const nothing = { updatedFields: {}, removedFields: ['notes'], truncatedArrays: [], disambiguatedPaths: {} }
    expect(descriptionAfter(redact({ people: 'remove', 'm.people': 'remove' }), description)).toEqual(nothing)
    expect(descriptionAfter(redact({ people: { mask: '*' }, 'm.people': hash }), description)).toEqual({
      updatedFields: { people: '*', 'm.people': null },
      removedFields: ['notes'],
      truncatedArrays: [],
      disambiguatedPaths: { people: ['people'], 'm.people': ['m', 'people'] },
    })
  })

  it('tells that a masked field was removed, and nothing of one that consumers never saw', () => {
    const description = { removedFields: ['name', 'card', 'lines.0.sku'] }
    const step = redact({ name: { mask: '*' }, card: 'remove', 'lines.sku': 'remove' })
    expect(descriptionAfter(step, description)).toMatchObject({ updatedFields: {}, removedFields: ['name'] })
  })

  it('shows the mask for an array of which a part changed or was cut off', () => {
    const step = redact({ tags: { mask: '*' }, codes: hash })
    const description = { updatedFields: { 'codes.0': 's' }, truncatedArrays: [{ field: 'tags', newSize: 2 }] }
    expect(descriptionAfter(step, description)).toMatchObject({
      updatedFields: { tags: '*', codes: null },
      truncatedArrays: [],
    })
  })

  it('hides a value without fields where a rule leads into fields, and tells that the field is gone', () => {
    const step = redact({ 'card.number': 'remove', 'lines.sku': 'remove' })
    const values = [
      's',
      5,
      new ObjectId(),
      new Date(),
      new Binary(),
      Buffer.from('s'),
      new Code('f', { number: 's' }),
      new Map(),
    ]
    for (const card of values) expect(documentAfter(step, { card, n: 1 })).toEqual({ n: 1 })
    expect(documentAfter(step, { card: null, lines: [] })).toEqual({ card: null, lines: [] })
    expect(descriptionAfter(step, { updatedFields: { card: 's', 'lines.0': 's' } })).toMatchObject({
      updatedFields: { 'lines.0': null },
      removedFields: ['card'],
    })
  })

  it('reaches the fields of what the driver takes for a reference', () => {
    const reference = new DBRef('users', 1 as never, 'db', { secret: 's', keep: 1 })
    expect(documentAfter(redact({ 'ref.secret': 'remove' }), { ref: reference })).toEqual({
      ref: { $ref: 'users', $id: 1, $db: 'db', keep: 1 },
    })
    const topLevel = new DBRef('users', 1 as never, undefined, { secret: 's' })
    const step = redact({ secret: 'remove', 'm.secret': 'remove' })
    expect(documentAfter(step, topLevel)).toEqual({ $ref: 'users', $id: 1 })
    expect(updatedAfter(step, topLevel)).toEqual({ $ref: 'users', $id: 1 })
    expect(documentAfter(redact({ other: 'remove' }), topLevel)).toBe(topLevel)
  })

  it('reaches the shard key, and leaves the id alone', () => {
    const event = insertOf({}, { documentKey: { _id, email: 's', 'home.zip': 's', region: 1 } })
    expect(redact({ email: 'remove', 'home.zip': { mask: '*' } })(event)).toMatchObject({
      documentKey: { _id, 'home.zip': '*', region: 1 },
    })
    expect(redact({ email: 'remove', home: 'remove' })(event)).toHaveProperty('documentKey', { _id, region: 1 })
  })

  it('works where a stage of the source has removed parts of the description', () => {
    const step = redact({ secret: 'remove', 'card.number': { mask: '*' } })
    const bare = (updateDescription: object) => ({ ...updateOf({}), updateDescription }) as ChangeStreamDocument
    expect(step(bare({ updatedFields: { secret: 1 } }))).toEqual(bare({ updatedFields: {} }))
    expect(step(bare({ removedFields: ['card.number.x'] }))).toEqual(
      bare({ updatedFields: { 'card.number': '*' }, removedFields: [] }),
    )
  })

  it('keeps fields that no rule names, whatever they are called', () => {
    const document = JSON.parse(
      '{"__proto__":{"x":1,"secret":2},"constructor":1,"":2,"$a":3,"_bsontype":"Long","secret":9}',
    )
    const redacted = documentAfter(redact({ secret: 'remove' }), document) as object
    expect(JSON.stringify(redacted)).toBe(
      '{"__proto__":{"x":1,"secret":2},"constructor":1,"":2,"$a":3,"_bsontype":"Long"}',
    )
    expect(Object.getPrototypeOf(redacted)).toBe(Object.prototype)
    expect(JSON.stringify(documentAfter(byNames(['__proto__', 'secret']), document))).toContain('{"__proto__":{"x":1},')
  })

  describe('a mask', () => {
    const after = (value: unknown): unknown => documentAfter(redact({ v: { mask: '*', keepLast: 2 } }), { v: value })
    it.each([
      ['12345', '*45'],
      ['1234', '*'],
      ['', '*'],
      ['ab😀😀😀', '*😀😀'],
      [new BSONSymbol('12345'), '*45'],
      [12345, '*'],
      [null, '*'],
      [{ a: 1 }, '*'],
      [['12345'], '*'],
    ])('of %o: %o', (value, expected) => {
      expect(after(value)).toEqual({ v: expected })
    })
  })

  describe('a hash', () => {
    const of = (v: unknown, rule: Redaction = hash): unknown =>
      (documentAfter(redact({ v: rule }), { v }) as { v: unknown }).v

    it('of a string is its HMAC-SHA-256, as anybody who has the key computes it', () => {
      expect(of('ann@b.c')).toBe(hmac('ann@b.c'))
      expect(of('ann@b.c', { hash: { key, encoding: 'base64url' } })).toBe(hmac('ann@b.c', 'base64url'))
      expect(of('ann@b.c', { hash: { key: Buffer.from(key) } })).toBe(hmac('ann@b.c'))
    })

    it.each<[string, unknown[]]>([
      ['one', [1, 1n, new Int32(1), new Double(1), Long.fromInt(1), ...decimals('1', '1.00', '10E-1')]],
      ['zero', [0, -0, new Double(-0), Long.ZERO, ...decimals('0', '-0', '0E+10', '0.00')]],
      ['a large integer', [2 ** 60, 2n ** 60n, Long.fromBigInt(2n ** 60n), ...decimals('1152921504606846976')]],
      ['a hundred', [100, ...decimals('1E+2', '100.0')]],
      ['a fraction', [-12.5, new Double(-12.5), ...decimals('-12.5', '-1.25E+1', '-12.50')]],
      ['NaN', [Number.NaN, ...decimals('NaN')]],
      ['a small number', [1e-7, ...decimals('1E-7')]],
      ['a string', ['a', new BSONSymbol('a')]],
      ['bytes', [Buffer.from('ab'), new Binary(Buffer.from('ab'))]],
      ['a document', [{ a: [1] }, { a: [new Int32(1)] }]],
    ])('is the same for all forms of %s', (_, values) => {
      expect(new Set(values.map(value => of(value))).size).toBe(1)
    })

    it('differs for different values', () => {
      const values = [
        ...['', '5', '0', 'null', '[]', '{}'],
        ...[
          0,
          5,
          0.5,
          50,
          -5,
          Number.NaN,
          null,
          true,
          false,
          [],
          {},
          [[]],
          [1, 2],
          [12],
          ['1', '2'],
          { a: 1 },
          { a: '1' },
        ],
        ...[
          Long.fromString('9007199254740993'),
          Long.fromString('9007199254740992'),
          ...decimals('1E+6000', '1E-6000'),
        ],
        ...[_id, _id.toHexString(), new Date(0), new Date(1), new Binary([1]), new Binary([1], 5), new Code('a'), /a/],
        ...[{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: { b: 1 } }, { 'a.b': 1 }],
      ]
      expect(new Set(values.map(value => of(value))).size).toBe(values.length)
    })

    it('shows its key in no error and no inspection', () => {
      const step = redact({ v: { hash: { key: 'the-secret-key-of-16' } } })
      expect(inspect(step, { depth: 9, showHidden: true })).not.toContain('the-secret')
      for (const bad of ['short-secret', 1234567, null, undefined, ['the-secret']]) {
        const error = caught(() => redact({ v: { hash: { key: bad as never } } }))
        expect(error).toMatchObject({ code: 'CDC_OPTION_INVALID' })
        expect(inspect(error)).not.toMatch(/secret-|-secret|1234567/)
      }
    })

    it('keeps its key when the bytes that were given change later', () => {
      const bytes = Buffer.from(key)
      const step = redact({ v: { hash: { key: bytes } } })
      bytes.fill(0)
      expect(documentAfter(step, { v: 'a' })).toEqual({ v: hmac('a') })
    })
  })

  it.each<[string, unknown]>([
    ['no rule', {}],
    ['nothing', undefined],
    ['the id', { _id: 'remove' }],
    ['a part of the id', { '_id.tenant': 'remove' }],
    ['an empty part', { 'a..b': 'remove' }],
    ['an empty path', { '': 'remove' }],
    ['an unknown redaction', { a: 'drop' }],
    ['no redaction', { a: undefined }],
    ['a prototype that was meant as a field', { __proto__: { mask: '*' }, a: 'remove' }],
    ['a rule within another', { 'a.b.c': 'remove', 'a.b': 'remove' }],
    [
      'one path twice',
      [
        ['a.b', 'remove'],
        [['a', 'b'], { mask: '*' }],
      ],
    ],
    ['a mask that is no string', { a: { mask: 5 } }],
    ['to keep more than a mask hides', { a: { mask: '*', keepLast: 0 } }],
    ['an unknown encoding', { a: { hash: { key, encoding: 'utf8' } } }],
    ['something that is no pair', ['a.b']],
  ])('refuses %s', (_, rules) => {
    expect(caught(() => redact(rules as never))).toMatchObject({ code: 'CDC_OPTION_INVALID' })
  })

  it('explains why the id can not be hidden', () => {
    expect(() => redact({ _id: hash })).toThrow('fields other than `_id`, which identifies the document')
  })

  it('refuses a misspelt option', () => {
    const wrong = [{ mask: '*', keeplast: 4 }, { hash: { key, salt: 1 } }, { mask: '*', hash: { key } }, {}]
    for (const rule of wrong) expect(isCdcError(caught(() => redact({ a: rule as never })))).toBe(true)
  })

  it.each([[{ secret: 's' }], [undefined], [null], [{ body: Buffer.from('s') }]])('refuses %o: no event', input => {
    expect(caught(() => redact({ secret: 'remove' })(input as never))).toMatchObject({ code: 'CDC_TRANSFORM_FAILED' })
  })
})

function decimals(...texts: string[]): Decimal128[] {
  return texts.map(text => Decimal128.fromString(text))
}

function caught(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}
