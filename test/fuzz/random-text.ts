import type { Dice } from './dice.js'

/** Names and texts, plain and hostile, as bytes. */

const PLAIN_NAMES = buffers(['a', 'b', 'c', 'name', 'type', '_id', 'entry_id', 'price', 'at', 'lines', 'ü', '日本'])
/** Names that objects, the BSON library, EJSON or JSON take for something else. */
const HOSTILE_NAMES = buffers([
  ...['', '__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', 'toBSON', 'toJSON', 'then', 'length'],
  ...['_bsontype', '$ref', '$id', '$db', '$oid', '$date', '$numberLong', '$scope', '$code', '$', '$x', 'a$', 'a.b'],
  ...['0', '1', '2', '10', '00', '007', '-1', '-0', '1.5', '1e3', '4294967294', '4294967295', '4294967296'],
  ...['9007199254740991', '"', '\\', '\n', '\u0001', '\u007f', '\u0080', '\u2028', '\ufeff', '\uffff', '😀', '\\u0061'],
])
const TEXTS = buffers([
  '',
  'x',
  'text',
  'a"b',
  '\\',
  '\t\r\n\b\f',
  '\u0000',
  'é',
  '日本語',
  '😀👍🏽',
  '\u2028\u2029',
  '\ufeffx',
])
/** No UTF-8: stray and missing bytes, overlong forms, halves of surrogate pairs, beyond the last character. */
const BROKEN = [
  '80',
  'ff',
  'c3',
  'e282',
  'f09f98',
  'c080',
  'c1bf',
  'e08080',
  'f0808080',
  'eda080',
  'edb080',
  'eda0bdedb880',
]
  .concat(['f4908080', 'f8888080', 'c328', 'e28228', 'ef', 'efbf'])
  .map(hex => Buffer.from(hex, 'hex'))

function buffers(texts: readonly string[]): Buffer[] {
  return texts.map(text => Buffer.from(text))
}

/** The name of a field: no NUL in it. */
export function randomName(dice: Dice): Buffer {
  const kind = dice.number(100)
  if (kind < 60) return dice.pick(PLAIN_NAMES)
  if (kind < 88) return ascii(dice, 1 + dice.number(8))
  if (kind < 96) return dice.pick(HOSTILE_NAMES)
  if (kind < 97) return Buffer.concat([ascii(dice, dice.number(4)), dice.pick(BROKEN), ascii(dice, dice.number(3))])
  if (kind < 98) return withoutNul(dice.bytes(dice.number(6)))
  return kind < 99 ? Buffer.from(String(dice.number(1000))) : ascii(dice, 300)
}

/** Text of any length; `large` at times, but seldom. */
export function randomText(dice: Dice): Buffer {
  const kind = dice.number(1000)
  if (kind < 500) return ascii(dice, dice.number(12))
  if (kind < 650) return dice.pick(TEXTS)
  if (kind < 800) return Buffer.concat([dice.pick(TEXTS), ascii(dice, dice.number(60)), dice.pick(TEXTS)])
  if (kind < 900) return Buffer.concat([ascii(dice, dice.number(60)), dice.pick(BROKEN), ascii(dice, dice.number(3))])
  if (kind < 960) return dice.bytes(dice.number(20))
  if (kind < 998) return ascii(dice, 40 + dice.number(200))
  const part = Buffer.concat([dice.pick(TEXTS), ascii(dice, 20)])
  return Buffer.alloc(dice.chance(0.05) ? 200_000 : 5_000, part)
}

/** The same without NUL. */
export function randomCString(dice: Dice): Buffer {
  return withoutNul(randomText(dice))
}

function withoutNul(text: Buffer): Buffer {
  return Buffer.from(text.map(code => code || 1))
}

/** Printable, with what JSON has to escape in it at times. */
function ascii(dice: Dice, length: number): Buffer {
  const text = Buffer.allocUnsafe(length)
  const from = dice.chance(0.8) ? 0x61 : 0x20
  const count = from === 0x61 ? 26 : 0x60
  for (let i = 0; i < length; i++) text[i] = from + dice.number(count)
  return text
}
