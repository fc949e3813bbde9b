import fc from 'fast-check'
import type { ChangeStreamDocument } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { omit } from '../../../src/transform/omit.js'
import { pick } from '../../../src/transform/pick.js'
import { redact } from '../../../src/transform/redact.js'
import { rename } from '../../../src/transform/rename.js'
import { deepFreeze, descriptionAfter, documentAfter } from './update-events.js'

/**
 * A consumer that keeps its own copy and applies each update to it must have what it would have got as a document:
 * step(update) applied to step(old) is step(update applied to old).
 */

type Value = null | string | Value[] | { [name: string]: Value }
type Step = (event: ChangeStreamDocument) => ChangeStreamDocument

type Part = string | number

interface Update {
  readonly updatedFields: Record<string, Value>
  readonly removedFields: readonly string[]
  readonly disambiguatedPaths?: object | undefined
}

/** What one change does, before it is known which places the document has: by numbers. */
interface Choice {
  readonly place: number
  readonly name: string
  readonly value: Value | undefined
}

const name = fc.constantFrom('a', 'b', 'c')
const { value, document } = fc.letrec<{ value: Value; document: Record<string, Value> }>(tie => ({
  document: fc.dictionary(name, tie('value'), { maxKeys: 3 }).map(fields => ({ ...fields })),
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, 'x', 'y'),
    tie('document'),
    tie('document'),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
}))
const choice: fc.Arbitrary<Choice> = fc.record({ place: fc.nat(), name, value: fc.option(value, { nil: undefined }) })

const rulePath = fc.array(name, { minLength: 1, maxLength: 3 }).map(names => names.join('.'))
const rulePathWithPosition = fc
  .tuple(name, fc.constantFrom('0', '1'), fc.array(name, { maxLength: 1 }))
  .map(([first, position, rest]) => [first, position, ...rest].join('.'))

/** Containers of a document: where a change can be made. */
function placesIn(container: Value, path: readonly Part[] = []): { path: readonly Part[]; container: object }[] {
  if (typeof container !== 'object' || container === null) return []
  const partOf = (key: string): Part => (Array.isArray(container) ? Number(key) : key)
  const below = Object.entries(container).flatMap(([key, inner]) => placesIn(inner, [...path, partOf(key)]))
  return [{ path, container }, ...below]
}

/** One change to a document, as the server would describe it; appends to arrays, sets or unsets fields. */
function updateFor(old: Record<string, Value>, { place, name, value }: Choice): Update {
  const places = placesIn(old)
  const { path, container } = places[place % places.length] as (typeof places)[number]
  const key = Array.isArray(container) ? place % (container.length + 1) : name
  const at = [...path, key].join('.')
  const disambiguatedPaths = { [at]: [...path, key] }
  if (value !== undefined) return { updatedFields: { [at]: value }, removedFields: [], disambiguatedPaths }
  const isThere = !Array.isArray(container) && Object.hasOwn(container, key)
  return { updatedFields: {}, removedFields: isThere ? [at] : [], disambiguatedPaths }
}

/** What a consumer does with an update. */
function applied(old: unknown, { updatedFields, removedFields }: Update): unknown {
  const copy = structuredClone(old) as Record<string, unknown>
  const containerOf = (names: string[]): Record<string, unknown> => {
    let container = copy
    for (const inner of names) {
      if (typeof container[inner] !== 'object' || container[inner] === null) container[inner] = {}
      container = container[inner] as Record<string, unknown>
    }
    return container
  }
  for (const [path, set] of Object.entries(updatedFields)) {
    const names = path.split('.')
    containerOf(names.slice(0, -1))[names.at(-1) as string] = set
  }
  for (const path of removedFields) {
    const names = path.split('.')
    delete containerOf(names.slice(0, -1))[names.at(-1) as string]
  }
  return copy
}

function expectSameCopy(step: Step, old: Record<string, Value>, change: Choice, explained: boolean): void {
  const { disambiguatedPaths, ...unexplained } = updateFor(old, change)
  const update = explained ? { ...unexplained, disambiguatedPaths } : unexplained
  const consumers = applied(documentAfter(step, deepFreeze(old)), descriptionAfter(step, deepFreeze(update)) as Update)
  expect(consumers).toEqual(documentAfter(step, applied(old, update) as object))
}

const anyRulePath = fc.oneof({ weight: 3, arbitrary: rulePath }, { weight: 1, arbitrary: rulePathWithPosition })
/** Where the server doesn't explain them, a number may be a name: what a rule with a position hides is then more. */
const rules = (explained: boolean): fc.Arbitrary<string[]> =>
  fc.array(explained ? anyRulePath : rulePath, { minLength: 1, maxLength: 3 })

describe.each([true, false])(
  'a consumer that applies updates, explained (%s), has what whole documents would show',
  explained => {
    function check(arbitrary: fc.Arbitrary<string[]>, stepOf: (paths: [string, ...string[]]) => Step): void {
      const property = fc.property(arbitrary, document, choice, (paths, old, change) => {
        expectSameCopy(stepOf(paths as [string]), old, change, explained)
      })
      fc.assert(property, { numRuns: 500 })
    }

    it('with omit', () => {
      check(rules(explained), paths => omit(...paths))
    })

    it('with a mask', () => {
      check(rules(explained), ([path]) => redact({ [path]: { mask: '***' } }))
    })

    it('with pick, where no rule names a position', () => {
      check(rules(false), paths => pick(...paths))
    })

    it('with rename', () => {
      check(rules(false), ([path]) => rename({ [path]: 'z' }))
    })
  },
)
