import { types } from 'node:util'
import { bsonTypeOf, type DbRefLike, dbRefFields } from '../bson-value.js'
import { setField } from '../set-field.js'
import { childrenOf, elementsOf, type RuleNodes, ruleOf } from './rule-tree.js'

/** Says of a value that nothing of it is left. */
export const REMOVED: unique symbol = Symbol('removed')

/** Says that it stays as it is. */
export const KEPT: unique symbol = Symbol('kept')

/** What becomes of a document's values, by where rules reach. */
export interface ValueEdit<R> {
  /** Of a value where a rule ends; absent: rules are only about names, and more may follow below. */
  readonly at?: (rule: R, value: unknown) => unknown
  /** Of a value that no rule concerns. */
  outside(value: unknown): unknown
  /** Of a value without fields, where rules lead into its fields. */
  withoutFields(value: unknown): unknown
  /** What a field is called from now on. @default its own name */
  nameOf?(name: string, nodes: RuleNodes<R>): string
  /** Called when two fields would have this name; throws. */
  refuseSecond?(name: string): never
}

/**
 * The value as the rules make it, or {@link REMOVED}. Copies only what changes: a value in which nothing does is
 * returned itself. What is removed from an array leaves `null`, as in MongoDB, so that positions stay.
 */
export function editValue<R>(value: unknown, nodes: RuleNodes<R>, edit: ValueEdit<R>): unknown {
  if (nodes.length === 0) return edit.outside(value)
  if (edit.at && ruleOf(nodes) !== undefined) return editAtRules(value, nodes, edit.at)
  if (Array.isArray(value)) return editArray(value, nodes, edit)
  const fields = fieldsOf(value)
  return fields === undefined ? edit.withoutFields(value) : editFields(value, fields, nodes, edit)
}

/** Of several rules for one value all count, one after the other: none of them shows what another one hides. */
function editAtRules<R>(value: unknown, nodes: RuleNodes<R>, at: (rule: R, value: unknown) => unknown): unknown {
  let edited = value
  for (const { rule } of nodes) {
    if (rule !== undefined && edited !== REMOVED) edited = at(rule, edited)
  }
  return edited
}

function editArray<R>(values: readonly unknown[], nodes: RuleNodes<R>, edit: ValueEdit<R>): readonly unknown[] {
  let copy: unknown[] | undefined
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    const edited = editValue(value, elementsOf(nodes, String(index), isDocument(value)), edit)
    if (Object.is(edited, value)) continue
    copy ??= [...values]
    copy[index] = edited === REMOVED ? null : edited
  }
  return copy ?? values
}

function editFields<R>(document: unknown, fields: Fields, nodes: RuleNodes<R>, edit: ValueEdit<R>): unknown {
  const names = Object.keys(fields)
  let copy: Record<string, unknown> | undefined
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string
    const value = fields[name]
    const below = childrenOf(nodes, name)
    const edited = editValue(value, below, edit)
    const newName = edit.nameOf?.(name, below) ?? name
    if (copy === undefined) {
      if (Object.is(edited, value) && newName === name) continue
      copy = {}
      for (let before = 0; before < index; before++)
        setField(copy, names[before] as string, fields[names[before] as string])
    }
    if (edited === REMOVED) continue
    if (edit.refuseSecond && Object.hasOwn(copy, newName)) edit.refuseSecond(newName)
    setField(copy, newName, edited)
  }
  return copy ?? document
}

/** Fields by name; only own ones are meant. */
export type Fields = Readonly<Record<string, unknown>>

/** Whether the encoder writes this value as a document. */
export function isDocument(value: unknown): boolean {
  return !Array.isArray(value) && fieldsOf(value) !== undefined
}

/**
 * The fields of what the encoder writes as a document; `undefined` for all else. A document with `$ref` and `$id`
 * arrives as a DBRef, which hides the other fields.
 */
export function fieldsOf(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (Object.getPrototypeOf(value) === Object.prototype) return value as Fields
  const type = bsonTypeOf(value)
  if (type === 'DBRef') return Object.fromEntries(dbRefFields(value as DbRefLike))
  if (type !== undefined || types.isDate(value) || ArrayBuffer.isView(value)) return undefined
  return types.isRegExp(value) || types.isMap(value) ? undefined : (value as Fields)
}
