import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { bsonTypeOf } from '../bson-value.js'
import { OptionsError } from '../errors.js'
import { assertInteger, assertKnown, assertOneOf, fail } from '../options.js'
import { isWellFormed } from '../well-formed.js'
import { comparableText } from './comparable-text.js'
import type { FieldEdit } from './edit-paths.js'
import { REMOVED } from './edit-value.js'

/** Shows something fixed instead of a value. */
export interface MaskRedaction {
  /** What stands for the value, whatever it is: also for numbers, documents and `null`. */
  readonly mask: string
  /**
   * How many characters of the end of a string follow the mask, from 1 to 64. A string that isn't more than twice as
   * long is masked whole, and so is everything that isn't a string.
   *
   * @default none
   */
  readonly keepLast?: number
}

/** Shows an HMAC-SHA-256 instead of a value: equal values can still be told, by whoever reads the messages. */
export interface HashRedaction {
  readonly hash: {
    /**
     * At least 16 bytes, secret, the same in every run: with another key all hashes change. Who has it can try out
     * values, and finds those that are easy to guess.
     */
    readonly key: string | Uint8Array
    /** @default 'hex' */
    readonly encoding?: 'hex' | 'base64url'
  }
}

/** How one field is hidden: `'remove'` leaves it out. */
export type Redaction = 'remove' | MaskRedaction | HashRedaction

/** A redaction, ready to use. */
export interface Redactor {
  /** What stands for a value. */
  apply(value: unknown): unknown
  /** What stands for any value, where that doesn't depend on it. */
  readonly any?: typeof REMOVED | string
  /** What stands for a value of which only a part is told. */
  readonly part: unknown
  /** Whether what it has made of a value, whatever value, stays the same when it is applied to that. */
  readonly repeatable: boolean
  /** Whether it shows a part of the value: then what another one has made of a value isn't the same to it. */
  readonly showsEnd?: boolean
}

/** Leaves the value out. */
export const removal: Redactor = { apply: () => REMOVED, any: REMOVED, part: REMOVED, repeatable: true }

/** In doubt it removes: a value without fields where some are to be hidden may hold the same secret in another form. */
export const redactionEdit: FieldEdit<Redactor> = {
  at: (redactor, value) => redactor.apply(value),
  outside: value => value,
  withoutFields: value => (value == null ? value : REMOVED),
  below: redactor => redactor.part,
  keepsOutside: true,
  always: redactor => redactor.any,
}

const KEY_MIN_BYTES = 16

/**
 * Makes a redaction ready.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`; never quotes the key
 */
export function redactorOf(redaction: Redaction): Redactor {
  if (redaction === 'remove') return removal
  if (typeof redaction !== 'object' || redaction === null) {
    fail('rules of redact', '"remove", an object with `mask` or one with `hash`', redaction)
  }
  return 'hash' in redaction ? hasher(redaction) : masker(redaction)
}

function masker(redaction: MaskRedaction): Redactor {
  assertKnown('a rule of redact', redaction, ['mask', 'keepLast', 'hash'])
  const { mask, keepLast } = redaction
  if (typeof mask !== 'string') fail('mask', 'a string', mask)
  if (keepLast === undefined) {
    // Half a character can't be written in BSON.
    return { apply: () => mask, ...(isWellFormed(mask) && { any: mask }), part: mask, repeatable: true }
  }
  assertInteger('keepLast', keepLast, 1, 64)
  return {
    // The mask alone stays: of a long one an end would be shown the second time.
    apply: value => (stringOf(value) === mask ? mask : mask + endOf(value, keepLast)),
    part: mask,
    // Of a mask that isn't longer than the end that is shown, the end is hidden the second time; and half a character
    // at the end of a mask can become a whole one with what follows.
    repeatable: [...mask].length > keepLast && isWellFormed(mask),
    showsEnd: true,
  }
}

/** Whole characters, so that no half of a pair is shown; nothing of what is so short that the end tells all. */
function endOf(value: unknown, length: number): string {
  const text = stringOf(value)
  // A character has at most two units: no need to take apart a long string.
  const characters = [...(text ?? '').slice(-4 * length - 1)]
  return characters.length > 2 * length ? characters.slice(-length).join('') : ''
}

/** Also of BSON's old symbols, which arrive as strings or not, as the source decodes. */
function stringOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const isSymbol = typeof value === 'object' && value !== null && bsonTypeOf(value) === 'BSONSymbol'
  return isSymbol ? String(value) : undefined
}

function hasher(redaction: HashRedaction): Redactor {
  assertKnown('a rule of redact', redaction, ['hash'])
  assertKnown('`hash`', redaction.hash, ['key', 'encoding'])
  const { key, encoding = 'hex' } = redaction.hash
  assertOneOf('hash.encoding', encoding, ['hex', 'base64url'])
  const secret = secretOf(key)
  const apply = (value: unknown): string => createHmac('sha256', secret).update(comparableText(value)).digest(encoding)
  // The hash of the whole can't be told from a part, and an older one would be a lie.
  return { apply, part: null, repeatable: false }
}

/** A key object, which shows nothing of itself when it is inspected. */
function secretOf(key: string | Uint8Array): KeyObject {
  const expected = `Expected \`hash.key\` to be a string or bytes, at least ${KEY_MIN_BYTES} bytes long, got`
  if (typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw new OptionsError('CDC_OPTION_INVALID', `${expected} ${key === null ? 'null' : typeof key}`)
  }
  const bytes = Buffer.from(key)
  if (bytes.length >= KEY_MIN_BYTES) return createSecretKey(bytes)
  throw new OptionsError('CDC_OPTION_INVALID', `${expected} ${bytes.length}`)
}
