import { ejsonText } from './ejson-encoder.js'

/** A part of a value that has no form in EJSON. */
export interface ReplacedPart {
  /** Where it stood, names joined by dots; empty for the value itself. */
  readonly path: string
  /** Why it has no form; never the value. */
  readonly problem: string
}

/** A value in canonical EJSON, whatever is in it. */
export interface TotalEjson {
  readonly text: string
  /** Parts for which `null` stands; none where the whole value could be written. */
  readonly replaced: readonly ReplacedPart[]
}

/** More levels than EJSON takes: deeper, everything is replaced. */
const MAX_DEPTH = 200

/**
 * Writes any value and never throws: what has no form (an Invalid Date, a function, a cycle, a getter that throws)
 * becomes `null` and is told. The usual value takes the encoder's way at once.
 */
export function totalEjson(value: unknown): TotalEjson {
  const replaced: ReplacedPart[] = []
  return { text: textOf(value, [], new Set(), replaced), replaced }
}

function textOf(value: unknown, path: readonly string[], above: Set<unknown>, replaced: ReplacedPart[]): string {
  let problem: string
  try {
    return ejsonText(value, 'canonical')
  } catch (error) {
    problem = wordsOf(error)
  }
  const inner = above.has(value) || path.length > MAX_DEPTH ? undefined : partsOf(value)
  if (inner) {
    above.add(value)
    const texts = inner.map(([name, part]) => {
      const text = textOf(part, [...path, name], above, replaced)
      return Array.isArray(value) ? text : `${JSON.stringify(name)}:${text}`
    })
    above.delete(value)
    return Array.isArray(value) ? `[${texts.join(',')}]` : `{${texts.join(',')}}`
  }
  replaced.push({ path: path.join('.').slice(0, 500), problem })
  return 'null'
}

/** The parts of what can be looked into; a part that can't be read is told by its error, which has no form itself. */
function partsOf(value: unknown): [string, unknown][] | undefined {
  try {
    if (Array.isArray(value)) return value.map((part, index) => [String(index), part])
    if (value instanceof Map) return [...value].map(([name, part]) => [String(name), part])
    if (typeof value !== 'object' || value === null) return undefined
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return undefined
    return Object.keys(value).map(name => [name, read(value, name)])
  } catch {
    return undefined
  }
}

function read(value: object, name: string): unknown {
  try {
    return (value as Readonly<Record<string, unknown>>)[name]
  } catch {
    return unreadable
  }
}

/** Stands for a getter that throws: a function has no form, so it is replaced and told. */
function unreadable(): void {}

function wordsOf(error: unknown): string {
  try {
    const { message } = error as { message?: unknown }
    return typeof message === 'string' ? message.slice(0, 300) : 'It can not be encoded'
  } catch {
    return 'It can not be encoded'
  }
}
