import * as layout from '../../src/bson-layout.js'
import { byte, element, int32, int64, nested, raw, string, written } from './bson-writer.js'
import type { Dice } from './dice.js'
import { ID_TYPES, writeDocument, writeValue } from './random-document.js'

/** Random change events as a server sends them, with any documents in them. */

const OPERATIONS = ['insert', 'update', 'replace', 'delete', 'update', 'insert']
const EXTRA_NAMES = ['extra', 'to', '', 'ü', '10', '$x', '__proto__', '_bsontype', 'constructor']

/** The event at this place of a stream. */
export function randomEvent(dice: Dice, index: number): Buffer {
  const operation = dice.pick(OPERATIONS)
  return written(() => nested(() => writeEvent(dice, index, operation)))
}

function writeEvent(dice: Dice, index: number, operation: string): void {
  const seconds = 1_700_000_000 + Math.floor(index / 100)
  inner('_id', () => text('_data', tokenOf(seconds, index)))
  text('operationType', operation)
  element(layout.TIMESTAMP, 'clusterTime')
  int32(index)
  int32(seconds)
  if (dice.chance(0.8)) {
    element(layout.DATE, 'wallTime')
    int64(BigInt(seconds) * 1000n + BigInt(dice.number(1000)))
  }
  if (operation !== 'delete') image(dice, 'fullDocument')
  inner('ns', () => {
    text('db', 'shop')
    text('coll', dice.pick(['orders', 'ü', 'a.b', '__proto__', '$x']))
  })
  inner('documentKey', () => {
    if (dice.chance(0.1)) value(dice, layout.STRING, 'shardKey')
    value(dice, dice.pick(ID_TYPES), '_id')
  })
  if (dice.chance(0.1)) transaction(dice)
  if (operation === 'update') {
    inner('updateDescription', () => {
      element(layout.DOCUMENT, 'updatedFields')
      writeDocument(dice)
      element(layout.ARRAY, 'removedFields')
      nested(() => {
        if (dice.chance(0.5)) text('0', 'a')
      })
    })
  }
  if (dice.chance(0.4)) image(dice, 'fullDocumentBeforeChange')
  // What a stage of the user may have added.
  if (dice.chance(0.1)) value(dice, dice.pick(ID_TYPES), dice.pick(EXTRA_NAMES))
}

/** A token that is the event's own, and begins with its time. */
function tokenOf(seconds: number, index: number): string {
  const hex = (number: number): string => number.toString(16).padStart(8, '0')
  return `82${hex(seconds)}${hex(index)}2b022c0100296e5a`.toUpperCase()
}

function image(dice: Dice, name: string): void {
  if (dice.chance(0.05)) element(layout.NULL, name)
  else {
    element(layout.DOCUMENT, name)
    writeDocument(dice)
  }
}

function transaction(dice: Dice): void {
  inner('lsid', () => {
    element(layout.BINARY, 'id')
    int32(16)
    byte(4)
    raw(dice.bytes(16))
  })
  element(layout.INT64, 'txnNumber')
  int64(BigInt(dice.number(1000)))
}

function value(dice: Dice, type: number, name: string): void {
  element(type, name)
  writeValue(dice, type, 1)
}

function text(name: string, content: string): void {
  element(layout.STRING, name)
  string(content)
}

function inner(name: string, write: () => void): void {
  element(layout.DOCUMENT, name)
  nested(write)
}
