import { fail } from '../options.js'

/** How a path that somebody wrote is compared with a path that an update event tells. */

/**
 * A field of documents: a dotted path, or an array of names for names that hold dots themselves (`['a.b', 'c']`).
 * Positions in arrays may be left out: `'lines.sku'` covers `lines.3.sku`.
 */
export type FieldPath = string | readonly string[]

/** A part of a path as the server resolved it: a string is a field's name, anything else an array position. */
export type PathPart = string | number | object

/**
 * The names of a path that somebody wrote.
 *
 * @throws OptionsError `CDC_OPTION_INVALID` when it is no path or a part is empty
 */
export function pathParts(option: string, path: FieldPath): readonly string[] {
  const parts = typeof path === 'string' ? path.split('.') : path
  if (!Array.isArray(parts) || parts.length === 0 || parts.some(part => typeof part !== 'string' || part === '')) {
    fail(option, 'dotted paths or arrays of names, no part empty', path)
  }
  return [...parts]
}

/** The parts of a path in an update, where the server tells them. */
export function resolvedParts(
  disambiguatedPaths: object | undefined | null,
  path: string,
): readonly PathPart[] | undefined {
  // Own properties only: a field may be called `constructor`.
  if (!disambiguatedPaths || !Object.hasOwn(disambiguatedPaths, path)) return undefined
  return (disambiguatedPaths as Readonly<Record<string, readonly PathPart[]>>)[path]
}

/**
 * Whether a change at `touched` is one at `wanted`, in it, or around it. With `resolved` the names are known; without,
 * `touched` may be read in several ways ("a.0" is an element, or a field named "0", or a field named "a.0"), and one
 * reading that fits is enough.
 */
export function touches(wanted: readonly string[], touched: string, resolved?: readonly PathPart[]): boolean {
  if (resolved) {
    const positions = resolved.map(part => typeof part !== 'string')
    return overlap(wanted, resolved.map(String), index => positions[index] === true)
  }
  const names = touched.split('.')
  return overlap(wanted.join('.').split('.'), names, index => isPosition(names[index]))
}

/** Whether one of two paths contains the other; array positions that `wanted` leaves out are passed over. */
function overlap(
  wanted: readonly string[],
  touched: readonly string[],
  isArrayPosition: (index: number) => boolean,
): boolean {
  let at = 0
  for (const [index, name] of touched.entries()) {
    const next = wanted[at]
    if (next === undefined) return true
    if (next === name) at += 1
    else if (!isArrayPosition(index) || isPosition(next)) return false
  }
  return true
}

/** Whether a name looks like a position in an array. */
export function isPosition(name: string | undefined): boolean {
  return name !== undefined && /^\d+$/.test(name)
}
