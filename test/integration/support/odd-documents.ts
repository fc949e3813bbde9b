import { BSON, type Db, Decimal128, type Document, Double, Long } from 'mongodb'
import { rawCommand } from './raw-command.js'

// Documents over which other readers of a stream stop, and which this one has to publish like all others.

/** How an odd document is stored, and by which text in the body of its message it is recognised. */
export interface OddDocument {
  /** Fields of the document, beside its `_id`. */
  readonly fields?: Document
  /** What no driver sends: the first text stands in the fields, the second is sent in its place. */
  readonly bytes?: readonly [find: string, replace: string]
  /** What only the server can make, as the stages of an update, without `fields`. */
  readonly stages?: Document[]
  readonly arrives: string
}

/** By name. To add one is to add a row. */
export const oddDocuments: Readonly<Record<string, OddDocument>> = {
  'a regular expression that JavaScript can not parse': {
    fields: { expression: new BSON.BSONRegExp('(?i)x', 'i') },
    arrives: '"expression":{"$regularExpression":{"pattern":"(?i)x","options":"i"}}',
  },
  'a value that is not UTF-8': {
    fields: { text: 'a????z' },
    bytes: ['a????z', 'a\xff\xfe\xfa\xc0z'],
    arrives: '"text":"a\ufffd\ufffd\ufffd\ufffdz"',
  },
  'a name that is not UTF-8': { fields: { 'a??z': 1 }, bytes: ['a??z', 'a\xff\xfez'], arrives: '"a\ufffd\ufffdz":1' },
  'names that mean something to JavaScript': {
    fields: {
      inner: Object.fromEntries([
        ['__proto__', { polluted: true }],
        ['constructor', { prototype: 1 }],
        ['toJSON', 2],
        ['then', 3],
      ]),
    },
    arrives: '"inner":{"__proto__":{"polluted":true},"constructor":{"prototype":1},"toJSON":2,"then":3}',
  },
  'a field __proto__ of the document itself': {
    fields: { xxproto__: { polluted: true } },
    bytes: ['xxproto__', '__proto__'],
    arrives: '"__proto__":{"polluted":true}',
  },
  'names that mean something to MongoDB': {
    fields: { 'a.b': 1, inner: { $set: { $odd: 2 }, '': 3 } },
    arrives: '"a.b":1,"inner":{"$set":{"$odd":2},"":3}',
  },
  'a field twice': { fields: { once: 1, onca: 2 }, bytes: ['onca', 'once'], arrives: '"once":2' },
  'a field _bsontype': {
    fields: { inner: { xbsontype: 'ObjectId' } },
    bytes: ['xbsontype', '_bsontype'],
    arrives: '"inner":{"_bsontype":"ObjectId"}',
  },
  'a date that JavaScript has no Date for': {
    stages: [{ $replaceWith: { _id: '$_id', at: { $toDate: Long.fromBigInt(9_000_000_000_000_000n) } } }],
    arrives: '"at":{"$date":{"$numberLong":"9000000000000000"}}',
  },
  'numbers that JSON has no form for': {
    fields: {
      numbers: [Number.NaN, Number.NEGATIVE_INFINITY, new Double(-0), Long.MIN_VALUE, Decimal128.fromString('NaN')],
    },
    arrives:
      '"numbers":[{"$numberDouble":"NaN"},{"$numberDouble":"-Infinity"},-0,' +
      '{"$numberLong":"-9223372036854775808"},{"$numberDecimal":"NaN"}]',
  },
  'types that nobody writes any more': {
    fields: { symbol: new BSON.BSONSymbol('s'), code: new BSON.Code('f()', { n: 1 }), least: new BSON.MinKey() },
    arrives: '"least":{"$minKey":1}',
  },
  'more levels than most': { fields: { deep: nested(160) }, arrives: '"bottom":1' },
  'text with control characters': { fields: { text: '\0\u2028"\\' }, arrives: '"text":"\\u0000\u2028\\"\\\\"' },
}

function nested(levels: number): Document {
  let document: Document = { bottom: 1 }
  for (let level = 1; level < levels; level++) document = { deep: document }
  return document
}

/** Puts the odd document, with more fields, in the place of the one with this `_id`: one event. */
export async function writeOdd(uri: string, db: Db, _id: number, odd: OddDocument, more: Document = {}): Promise<void> {
  const changes = db.collection<{ _id: number }>('c')
  const u = { _id, ...odd.fields, ...more }
  if (odd.stages) await changes.updateOne({ _id }, odd.stages, { upsert: true })
  else if (odd.bytes) {
    const update = { update: 'c', updates: [{ q: { _id }, u, upsert: true }], $db: db.databaseName }
    await rawCommand(uri, update, ...odd.bytes)
  } else await changes.replaceOne({ _id }, u, { upsert: true })
}
