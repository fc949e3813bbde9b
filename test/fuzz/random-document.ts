import { BSON } from 'mongodb'
import * as layout from '../../src/bson-layout.js'
import { byte, cString, double, element, int32, int64, nested, raw, sized, string, written } from './bson-writer.js'
import type { Dice } from './dice.js'
import { randomCString, randomName, randomText } from './random-text.js'

/** Random documents of every BSON type as bytes, valid for the driver, but nothing else about them can be relied on. */

/** What MongoDB takes. */
const MAX_LEVELS = 180
const UNDEFINED = 0x06
const MAX_KEY = 0x7f
const MIN_KEY = 0xff

const { DOCUMENT, ARRAY, CODE_WITH_SCOPE } = layout
const SCALARS = [
  ...[layout.DOUBLE, layout.STRING, layout.STRING, layout.BINARY, UNDEFINED, layout.OBJECT_ID, layout.BOOLEAN],
  ...[layout.DATE, layout.NULL, layout.REGEXP, layout.DB_POINTER, layout.CODE, layout.SYMBOL, layout.INT32],
  ...[layout.TIMESTAMP, layout.INT64, layout.DECIMAL128, MIN_KEY, MAX_KEY],
]
/** What an `_id` can be. */
export const ID_TYPES: readonly number[] = [
  ...[layout.OBJECT_ID, layout.STRING, layout.INT32, layout.INT64, layout.DOUBLE, layout.BINARY, layout.DATE],
  ...[layout.DECIMAL128, layout.BOOLEAN, layout.NULL, layout.TIMESTAMP, DOCUMENT, MIN_KEY, layout.SYMBOL],
]

const DOUBLES = [
  0,
  -0,
  1,
  -1,
  0.1,
  1.5,
  1e15,
  1e20,
  1e21,
  1e300,
  5e-324,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 + 2,
  2 ** 63,
].concat([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE, 123456789.125])
const INTEGERS = [
  0n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n,
  2n ** 53n,
  -(2n ** 53n),
  2n ** 62n,
  2n ** 63n - 1n,
  -(2n ** 63n),
]
/** 1970, the year 10000, and the last ones that JavaScript can hold. */
const DATES = [
  0n,
  253_402_300_800_000n,
  8_640_000_000_000_000n,
  -8_640_000_000_000_000n,
  1_700_000_000_000n,
  2n ** 63n - 2n,
]
const DECIMALS = [
  '0',
  '-0',
  '1.10',
  'NaN',
  'Infinity',
  '-Infinity',
  '0E-6176',
  '1E+6111',
  '9.99E+6144',
  '-1E-6176',
  '0E+6111',
].map(text => BSON.Decimal128.fromString(text).bytes)
const SUB_TYPES = [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 127, 128, 255]

/** A document. */
export function randomDocument(dice: Dice): Buffer {
  return written(() => writeDocument(dice))
}

/** Writes a document: mostly small and flat, at times deep, at times with very many fields. */
export function writeDocument(dice: Dice): void {
  if (dice.chance(0.001)) chain(dice, 20 + dice.number(MAX_LEVELS - 24))
  else if (dice.chance(0.0005)) nested(() => fields(dice, 100 + dice.number(900), 1))
  else document(dice, 3)
}

/** Writes a value of this type. */
export function writeValue(dice: Dice, type: number, levels: number): void {
  if (type === DOCUMENT) document(dice, levels)
  else if (type === ARRAY) array(dice, levels)
  else if (type === CODE_WITH_SCOPE) codeWithScope(dice, () => document(dice, levels))
  else scalar(dice, type)
}

function document(dice: Dice, levels: number): void {
  nested(() => {
    if (dice.chance(0.03)) reference(dice, levels)
    else fields(dice, dice.number(dice.chance(0.04) ? 40 : 7), levels)
  })
}

function fields(dice: Dice, count: number, levels: number): void {
  let last: Uint8Array = Buffer.alloc(0)
  for (let i = 0; i < count; i++) {
    const name = i > 0 && dice.chance(0.02) ? last : randomName(dice)
    if (i === 0 || dice.chance(0.4)) last = name
    field(dice, name, levels)
  }
}

function field(dice: Dice, name: Uint8Array | string, levels: number): void {
  const type = randomType(dice, levels)
  element(type, name)
  writeValue(dice, type, levels - 1)
}

function randomType(dice: Dice, levels: number): number {
  if (levels > 0 && dice.chance(0.2)) return dice.pick([DOCUMENT, DOCUMENT, ARRAY, ARRAY, CODE_WITH_SCOPE])
  return dice.pick(SCALARS)
}

/** What is a DBRef, or looks like one. */
function reference(dice: Dice, levels: number): void {
  if (dice.chance(0.3)) fields(dice, 1 + dice.number(2), levels)
  if (dice.chance(0.9)) {
    element(dice.chance(0.9) ? layout.STRING : layout.SYMBOL, '$ref')
    string(dice.chance(0.2) ? 'db.coll' : randomText(dice))
  }
  if (dice.chance(0.9)) field(dice, '$id', levels)
  if (dice.chance(0.3)) {
    element(layout.STRING, '$db')
    string(randomText(dice))
  }
  if (dice.chance(0.3)) fields(dice, 1 + dice.number(2), levels)
}

function array(dice: Dice, levels: number): void {
  const count = dice.number(dice.chance(0.05) ? 40 : 5)
  const named = dice.chance(0.95)
  nested(() => {
    for (let i = 0; i < count; i++) field(dice, named ? String(i) : randomName(dice), levels)
  })
}

function codeWithScope(dice: Dice, scope: () => void): void {
  sized(() => {
    string(randomText(dice))
    scope()
  })
}

/** One level in the other. */
function chain(dice: Dice, levels: number): void {
  const type = levels === 0 ? layout.INT32 : dice.pick([DOCUMENT, DOCUMENT, ARRAY])
  nested(() => {
    if (dice.chance(0.1)) fields(dice, 1, 0)
    element(type, dice.chance(0.9) ? 'a' : randomName(dice))
    if (levels === 0) int32(1)
    else chain(dice, levels - 1)
  })
}

function scalar(dice: Dice, type: number): void {
  switch (type) {
    case layout.DOUBLE:
      if (dice.chance(0.2)) raw(dice.bytes(8))
      else double(dice.chance(0.5) ? dice.pick(DOUBLES) : (dice.number(2_000_000) - 1_000_000) / 2 ** dice.number(12))
      return
    case layout.STRING:
    case layout.CODE:
    case layout.SYMBOL:
      string(randomText(dice))
      return
    case layout.BINARY:
      binary(dice)
      return
    case layout.OBJECT_ID:
      raw(dice.bytes(12))
      return
    case layout.BOOLEAN:
      byte(dice.number(2))
      return
    case layout.DATE:
      int64(around(dice, DATES))
      return
    case layout.REGEXP:
      cString(randomCString(dice))
      cString(dice.pick(['', 'i', 'xmi', 'imxlsu', 'usl', 'ii']))
      return
    case layout.DB_POINTER:
      string(dice.chance(0.5) ? 'db.coll' : randomText(dice))
      raw(dice.bytes(12))
      return
    case layout.INT32:
      int32(dice.chance(0.7) ? dice.number(2000) - 1000 : dice.number(2 ** 32))
      return
    case layout.TIMESTAMP:
      raw(dice.bytes(8))
      return
    case layout.INT64:
      int64(around(dice, INTEGERS))
      return
    case layout.DECIMAL128:
      raw(dice.chance(0.5) ? dice.pick(DECIMALS) : dice.bytes(16))
  }
}

/** One of these, or one beside, or any. */
function around(dice: Dice, edges: readonly bigint[]): bigint {
  if (dice.chance(0.1)) return dice.bytes(8).readBigInt64LE()
  return dice.pick(edges) + BigInt(dice.chance(0.5) ? dice.number(7) - 3 : dice.number(2 ** 31))
}

function binary(dice: Dice): void {
  const subType = dice.pick(SUB_TYPES)
  const value = dice.bytes(dice.chance(0.4) ? 16 : dice.number(24))
  int32(subType === 2 ? value.length + 4 : value.length)
  byte(subType)
  if (subType === 2) int32(value.length)
  raw(value)
}
