import { createHash } from 'node:crypto'
import { OptionsError } from '../errors.js'

/** AMQP's limit of a routing key, in bytes of UTF-8. */
export const MAX_ROUTING_KEY_BYTES = 255
/** Room that a template must leave for each placeholder, so that a shortened part stays readable. */
const MIN_PART_BYTES = 32
/** `~` and 128 bits in base64url. */
const DIGEST_LENGTH = 23

/** Stands for a part that the event doesn't have: the collection of a `dropDatabase`. */
const MISSING = '_'

/**
 * What a part from data may not hold as it is: the topic exchange's separator and wildcards, `%` because it starts an
 * escape, and everything that isn't printable: control and format characters, line separators, lone surrogates.
 */
const UNSAFE = /[.*#%\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Makes the routing key of the values that stand for the placeholders. */
export type RoutingKeyTemplate<P extends string> = (values: (placeholder: P) => string | undefined) => string

/**
 * Reads a template such as `{db}.{coll}.{operation}`.
 *
 * @throws OptionsError `CDC_OPTION_INVALID` for an unknown placeholder, a brace without its other half, or a template
 * that leaves less than 32 bytes for a placeholder.
 */
export function routingKeyTemplate<P extends string>(template: string, allowed: readonly P[]): RoutingKeyTemplate<P> {
  // Split by a group: literals at even places, placeholders at odd ones.
  const parts = template.split(/\{([^{}]*)\}/)
  const literals = parts.filter((_, index) => index % 2 === 0)
  const placeholders = parts.filter((_, index) => index % 2 === 1).map(name => knownPlaceholder(name, allowed))
  if (literals.some(literal => /[{}]/.test(literal))) {
    throw invalid(`to have placeholders in braces, as in "{db}.{coll}.{operation}", got "${template.slice(0, 60)}"`)
  }
  const room = MAX_ROUTING_KEY_BYTES - Buffer.byteLength(literals.join(''))
  if (room < placeholders.length * MIN_PART_BYTES) {
    throw invalid(`to leave ${MIN_PART_BYTES} of ${MAX_ROUTING_KEY_BYTES} bytes for each placeholder, got ${room}`)
  }
  const partLimit = Math.floor(room / Math.max(placeholders.length, 1))

  return function routingKey(values) {
    const words = placeholders.map(name => encodePart(values(name)))
    const fits = words.reduce((sum, word) => sum + Buffer.byteLength(word), 0) <= room
    let key = literals[0] ?? ''
    words.forEach((word, index) => {
      key += (fits ? word : shorten(word, partLimit)) + literals[index + 1]
    })
    return key
  }
}

function knownPlaceholder<P extends string>(name: string, allowed: readonly P[]): P {
  const known = allowed.find(word => word === name)
  if (known === undefined) {
    throw invalid(`made of ${allowed.map(word => `{${word}}`).join(', ')}, got {${name.slice(0, 60)}}`)
  }
  return known
}

function invalid(expected: string): OptionsError {
  return new OptionsError('CDC_OPTION_INVALID', `Expected \`routingKey\` ${expected}`)
}

/** One word from data: what is unsafe becomes `%XX` per byte of UTF-8, so different values stay different. */
export function encodePart(value: string | undefined): string {
  if (value === undefined || value === '') return MISSING
  return value.replace(UNSAFE, character => {
    const hex = Buffer.from(character).toString('hex').toUpperCase()
    return hex.replace(/../g, byte => `%${byte}`)
  })
}

/**
 * A word that is too long: its beginning, `~`, and a digest of the whole, the same each time. Each word is shortened by
 * itself, so that the key keeps its number of words and `*.*.insert` goes on matching.
 */
function shorten(word: string, limit: number): string {
  if (Buffer.byteLength(word) <= limit) return word
  const digest = createHash('sha256')
    .update(word)
    .digest('base64url')
    .slice(0, DIGEST_LENGTH - 1)
  return `${beginning(word, limit - DIGEST_LENGTH)}~${digest}`
}

/** As many whole characters as fit; an escape `%XX` counts as one. */
function beginning(word: string, bytes: number): string {
  let text = ''
  let used = 0
  for (const [character] of word.matchAll(/%[0-9A-F]{2}|./gsu)) {
    used += Buffer.byteLength(character)
    if (used > bytes) break
    text += character
  }
  return text
}
