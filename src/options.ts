import { type CdcErrorCode, OptionsError } from './errors.js'
import type { BackOffOptions } from './retry.js'
import { HALF, isWellFormed } from './well-formed.js'

/** The few validators, and with them the wording of every option error: option in backticks, expected, got. */

/** Throws the error of an option that is not what was expected. */
export function fail(name: string, expected: string, got: unknown, code: CdcErrorCode = 'CDC_OPTION_INVALID'): never {
  refuse(name, expected, describe(got), code)
}

function refuse(name: string, expected: string, got: string, code: CdcErrorCode = 'CDC_OPTION_INVALID'): never {
  throw new OptionsError(code, `Expected \`${name}\` to be ${expected}, got ${got}`)
}

/** As `describe`, but shows a word: where one of a few is expected, it is no secret but a slip. */
function describeWord(value: unknown): string {
  return typeof value === 'string' && /^[\w .-]{1,40}$/.test(value) ? `"${value}"` : describe(value)
}

/** A value in words that can't hold a secret: short primitives as they are, of everything else only the type. */
function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'number')
    return String(value)
  if (typeof value === 'string') return value.length === 0 ? 'an empty string' : 'a string'
  if (typeof value === 'object') return Array.isArray(value) ? `an array of ${value.length}` : 'an object'
  return `a ${typeof value}`
}

/** Refuses an option that is not in `known`, so that a misspelt one is never silently ignored. */
export function assertKnown(owner: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionsError(
      'CDC_OPTION_INVALID',
      `Expected the options of ${owner} to be an object, got ${describe(options)}`,
    )
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const text = `Unknown option \`${name.slice(0, 60)}\` of ${owner}; expected one of ${known.join(', ')}`
    throw new OptionsError('CDC_OPTION_UNKNOWN', text)
  }
}

/** A finite number from `min` to `max`. */
export function assertNumber(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) fail(name, `a number from ${min} to ${max}`, value)
  return value
}

/** A whole number from `min` to `max`. */
export function assertInteger(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    fail(name, `a whole number from ${min} to ${max}`, value)
  }
  return value
}

/** A string that is not empty, is well-formed Unicode and has at most `maxBytes` bytes in UTF-8. */
export function assertText(name: string, value: string, maxBytes: number = Number.MAX_SAFE_INTEGER): string {
  if (typeof value !== 'string' || value.length === 0) fail(name, 'a string that is not empty', value)
  if (Buffer.byteLength(value) > maxBytes)
    fail(name, `at most ${maxBytes} bytes long in UTF-8`, Buffer.byteLength(value))
  if (!isWellFormed(value)) refuse(name, 'well-formed Unicode', HALF)
  return value
}

/** One of a list of words. */
export function assertOneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    refuse(name, `one of ${allowed.map(word => `"${word}"`).join(', ')}`, describeWord(value))
  }
  return value
}

/** A list with at least one item. */
export function assertSome<T>(name: string, list: readonly T[]): readonly T[] {
  if (!Array.isArray(list) || list.length === 0) fail(name, 'at least one', list)
  return list
}

/** True or false. */
export function assertBoolean(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') refuse(name, 'true or false', describeWord(value))
  return value
}

/** A function. */
export function assertFunction<T>(name: string, value: T): T {
  if (typeof value !== 'function') fail(name, 'a function', value)
  return value
}

/** An object with these methods: how a seam is recognised without `instanceof`. */
export function assertMethods<T>(name: string, value: T, methods: readonly string[]): T {
  const target = value as Record<string, unknown> | null | undefined
  for (const method of methods) {
    if (typeof target?.[method] !== 'function') fail(name, `an object with a method \`${method}\``, value)
  }
  return value
}

/** The longest duration that an option may have: a day. A timer that is set beyond 24.8 days would fire at once. */
export const DAY_MS = 86_400_000

/** The delays between attempts, with their defaults. */
export function resolveBackOff(name: string, options: BackOffOptions): Required<BackOffOptions> {
  assertKnown(`\`${name}\``, options, ['minDelayMs', 'maxDelayMs'])
  const { minDelayMs = 100 } = options
  const { maxDelayMs = Math.max(30_000, minDelayMs) } = options
  return {
    minDelayMs: assertInteger(`${name}.minDelayMs`, minDelayMs, 1, DAY_MS),
    maxDelayMs: assertInteger(`${name}.maxDelayMs`, maxDelayMs, minDelayMs, DAY_MS),
  }
}
