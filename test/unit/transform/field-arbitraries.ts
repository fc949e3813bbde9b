import fc from 'fast-check'
import { BSONRegExp, BSONSymbol, Code, DBRef } from 'mongodb'

/** Random documents and updates in which every value and some names are marked, to see where they come out. */

/** A part of a true path: a name, or a position in an array. */
export type Part = string | number

const names = ['a', 'b', 'c', 'a.b', 'b.c', '0', '1', '__proto__', '$x', 'constructor']

/** Paths of rules, none within another. */
export const rulePaths: fc.Arbitrary<string[][]> = fc
  .array(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
  .map(paths => paths.filter((path, index) => paths.every((other, at) => at === index || !startsWith(path, other))))
  .filter(paths => paths.length > 0)

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((name, index) => path[index] === name)
}

/** A value that shows its mark when it is encoded. */
interface Leaf {
  readonly make: (mark: string) => unknown
}

/** A name that is a mark, as in a map that is keyed by data. */
const MARKED_NAME = Symbol('marked name')
type NamePart = string | typeof MARKED_NAME

/** `reference`: as the driver decodes a document with `$ref` and `$id`. */
interface Fields {
  readonly fields: readonly (readonly [NamePart, Tree])[]
  readonly reference: boolean
}

type Tree = Leaf | Tree[] | Fields

const leaf: fc.Arbitrary<Leaf> = fc.constantFrom<Leaf>(
  { make: mark => mark },
  { make: mark => mark },
  { make: mark => mark },
  { make: mark => new BSONSymbol(mark) },
  { make: mark => new Code(mark, { a: mark }) },
  { make: mark => new BSONRegExp(mark) },
  { make: mark => new Map([['a', mark]]) },
)

const rarely = fc.nat({ max: 9 }).map(n => n === 0)
const anyName: fc.Arbitrary<NamePart> = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...names, '') },
  { weight: 1, arbitrary: fc.constant<typeof MARKED_NAME>(MARKED_NAME) },
)

const { tree, fields } = fc.letrec<{ tree: Tree; fields: Fields }>(tie => ({
  fields: fc.record({
    fields: fc.uniqueArray(fc.tuple(anyName, tie('tree')), { maxLength: 5, selector: ([name]) => name }),
    reference: rarely,
  }),
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    { weight: 2, arbitrary: tie('fields') },
    fc.array(tie('tree'), { maxLength: 3 }),
  ),
}))

const path: fc.Arbitrary<(NamePart | number)[]> = fc
  .tuple(
    fc.constantFrom(...names),
    fc.array(fc.oneof<fc.Arbitrary<NamePart | number>[]>(anyName, anyName, fc.nat({ max: 2 })), { maxLength: 3 }),
  )
  .map(([first, rest]) => [first, ...rest])

/** Where a mark stands: at the end of the path, as the value or as its last name. */
export interface Marked {
  readonly path: readonly Part[]
  readonly mark: string
  readonly place: 'document' | 'key' | 'update'
}

/** The parts of an event, and what is marked in them; every mark is there once. */
export interface MarkedEvent {
  readonly documents: readonly [after: object, before: object]
  readonly documentKey: object
  readonly description: object
  readonly marked: readonly Marked[]
}

/** Events of every kind at once. `explained`: the server tells names with dots from paths. */
export function markedEvent(explained: boolean): fc.Arbitrary<MarkedEvent> {
  const kind = fc.constantFrom('set', 'set', 'set', 'key', 'removed', 'truncated')
  const changes = fc.uniqueArray(fc.tuple(path, tree, kind), {
    maxLength: 8,
    selector: ([parts]) => parts.map(String).join('.'),
  })
  return fc.record({ documents: fc.tuple(fields, fields), changes, reference: rarely }).map(input => {
    const builder = new Builder()
    const [after, before] = input.documents.map(document => builder.build(document, [], 'document') as object)
    const told: [string, Part[]][] = []
    const of: Record<string, [string, unknown][]> = { set: [], key: [], removed: [], truncated: [] }
    for (const [parts, value, kindOf] of input.changes) {
      const place = kindOf === 'key' ? 'key' : 'update'
      const truePath = builder.name(parts, place)
      const key = truePath.join('.')
      told.push([key, truePath])
      of[kindOf]?.push([key, kindOf === 'set' || kindOf === 'key' ? builder.build(value, truePath, place) : undefined])
    }
    return {
      documents: [after ?? {}, before ?? {}] as const,
      documentKey: Object.fromEntries([['_id', 1], ...(of.key ?? [])]),
      description: {
        updatedFields: asReference(Object.fromEntries(of.set ?? []), input.reference),
        removedFields: of.removed?.map(([key]) => key),
        truncatedArrays: of.truncated?.map(([field]) => ({ field, newSize: 1 })),
        ...(explained && { disambiguatedPaths: Object.fromEntries(told) }),
      },
      marked: builder.marked,
    }
  })
}

/** A reference can't hold `__proto__`: the driver loses it. */
function asReference(object: object, reference: boolean): object {
  return reference && !Object.hasOwn(object, '__proto__') ? new DBRef('users', 1 as never, undefined, object) : object
}

class Builder {
  readonly marked: Marked[] = []

  build(value: Tree, at: readonly Part[], place: Marked['place']): unknown {
    if (Array.isArray(value)) return value.map((item, index) => this.build(item, [...at, index], place))
    if ('make' in value) return value.make(this.mark(at, place))
    const built = value.fields.map(([name, inner]): [string, unknown] => {
      const path = this.name([...at, name], place)
      return [String(path.at(-1)), this.build(inner, path, place)]
    })
    return asReference(Object.fromEntries(built), value.reference)
  }

  name(parts: readonly (NamePart | number)[], place: Marked['place']): Part[] {
    const path: Part[] = []
    for (const part of parts) path.push(typeof part === 'symbol' ? this.mark(path, place, true) : part)
    return path
  }

  private mark(path: readonly Part[], place: Marked['place'], isName = false): string {
    const mark = `~${this.marked.length}~`
    this.marked.push({ path: isName ? [...path, mark] : path, mark, place })
    return mark
  }
}

/** How a rule lies to a value: it hides it, leads to something in it, or has nothing to do with it. */
export type Relation = 'hides' | 'leads in' | 'apart'

/** What the docs say, in the plainest form: position by position, no tree, no sharing. */
export function relation(rule: readonly string[], path: readonly Part[]): Relation {
  const [name, ...below] = rule
  const [part, ...rest] = path
  if (name === undefined) return 'hides'
  if (part === undefined) return 'leads in'
  const taken = String(part) === name ? relation(below, rest) : 'apart'
  const isInDocument = typeof rest[0] === 'string'
  const passed = typeof part === 'number' && (isInDocument || !/^\d+$/.test(name)) ? relation(rule, rest) : 'apart'
  if (taken === 'hides' || passed === 'hides') return 'hides'
  return taken === 'leads in' || passed === 'leads in' ? 'leads in' : 'apart'
}
