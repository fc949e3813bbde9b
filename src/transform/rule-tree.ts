import { fail } from '../options.js'
import { isWellFormed } from '../well-formed.js'
import { type FieldPath, isPosition, pathParts } from './paths.js'

/** Rules over paths as a tree, in which a walk through a document or along a path of an update goes down step by step. */

/** The place of a name in a rule's path; with `rule` where the path of one ends. */
export interface RuleNode<R> {
  readonly rule?: R
  readonly children: ReadonlyMap<string, RuleNode<R>>
  /** The same as they stand in BSON, where there can be no half of a character. */
  readonly encoded: readonly (readonly [name: Buffer, child: RuleNode<R>])[]
  /** The children whose names hold dots: in a dotted path they may stand as several parts. */
  readonly dotted: readonly (readonly [names: readonly string[], child: RuleNode<R>])[]
  /**
   * What is left of the node within an array in whose elements there are no names: without the children that look like
   * positions, for a position that a rule names isn't one that it leaves out. Absent when nothing is left.
   */
  readonly through?: RuleNode<R>
  /** The node alone, as a list: most walks are at one node at a time, and need none of their own then. */
  readonly self: readonly [RuleNode<R>]
}

/** The nodes that a walk has reached. More than one only where a rule names a position and another leaves it out. */
export type RuleNodes<R> = readonly RuleNode<R>[]

/** Nothing reached: no rule concerns what is here or below. */
export const noNodes: readonly never[] = []

/** A rule's path, as names, and what it says. */
export type Rule<R> = readonly [parts: readonly string[], rule: R]

/** The tree of these rules; of two for one path the later one counts. */
export function ruleTree<R>(rules: readonly Rule<R>[]): RuleNode<R> {
  const own = rules.filter(([parts]) => parts.length === 0).at(-1)
  const below = new Map<string, Rule<R>[]>()
  for (const [[name, ...rest], rule] of rules) {
    if (name !== undefined) below.set(name, [...(below.get(name) ?? []), [rest, rule]])
  }
  const children = new Map([...below].map(([name, group]) => [name, ruleTree(group)] as const))
  return ruleNode(children, own?.[1])
}

function ruleNode<R>(children: ReadonlyMap<string, RuleNode<R>>, rule: R | undefined): RuleNode<R> {
  const names = new Map([...children].filter(([name]) => !isPosition(name)))
  const node: Writable<RuleNode<R>> = {
    children,
    encoded: [...children].filter(([name]) => isWellFormed(name)).map(([name, child]) => [Buffer.from(name), child]),
    dotted: [...names].filter(([name]) => name.includes('.')).map(([name, child]) => [name.split('.'), child]),
    self: [] as never,
    ...(rule !== undefined && { rule }),
  }
  node.self = [node]
  if (names.size > 0) node.through = names.size === children.size ? node : ruleNode(names, undefined)
  return node
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** One step down by the name of a field. */
export function childrenOf<R>(nodes: RuleNodes<R>, name: string): RuleNodes<R> {
  if (nodes.length === 1) return nodes[0]?.children.get(name)?.self ?? noNodes
  return nodes.flatMap<RuleNode<R>>(node => node.children.get(name)?.self ?? noNodes)
}

/** One step down by the name of a field that stands there in BSON. */
export function childrenAt<R>(nodes: RuleNodes<R>, bytes: Buffer, from: number, to: number): RuleNodes<R> {
  if (nodes.length === 1) return childAt(nodes[0] as RuleNode<R>, bytes, from, to)
  return nodes.flatMap<RuleNode<R>>(node => childAt(node, bytes, from, to))
}

function childAt<R>({ encoded }: RuleNode<R>, bytes: Buffer, from: number, to: number): RuleNodes<R> {
  for (const [name, child] of encoded) {
    if (name.length === to - from && name.compare(bytes, from, to) === 0) return child.self
  }
  return noNodes
}

/** One step down into an element of an array; `named`: it is a document, so that a number may be a name in it. */
export function elementsOf<R>(nodes: RuleNodes<R>, position: string, named: boolean): RuleNodes<R> {
  // Nearly always: no rule names positions, each covers all elements alike.
  if (nodes.every(node => node.through === node)) return nodes
  return nodes.flatMap<RuleNode<R>>(node => [
    ...(node.children.get(position)?.self ?? noNodes),
    ...((named ? node : node.through)?.self ?? noNodes),
  ])
}

/** The rule that ends at one of these nodes. */
export function ruleOf<R>(nodes: RuleNodes<R>): R | undefined {
  return nodes.find(node => node.rule !== undefined)?.rule
}

/**
 * The names of a rule's path.
 *
 * @throws OptionsError `CDC_OPTION_INVALID` when it is no path, or leads into `_id`
 */
export function ruleParts(option: string, path: FieldPath): readonly string[] {
  const parts = pathParts(option, path)
  if (parts[0] === '_id') {
    fail(option, 'fields other than `_id`, which identifies the document and is also in the resume token', path)
  }
  return parts
}

/** What rules by path are given as: an object by dotted path, or pairs, where a name holds dots. */
export type RulesByPath<R> = { readonly [path: string]: R } | Iterable<readonly [path: FieldPath, rule: R]>

/** The pairs of rules by path. */
export function rulesByPath<R>(option: string, rules: RulesByPath<R>): readonly (readonly [FieldPath, R])[] {
  if (typeof rules !== 'object' || rules === null) fail(option, 'an object by path, or pairs', rules)
  const pairs = Symbol.iterator in rules ? [...(rules as Iterable<readonly [FieldPath, R]>)] : pairsOf(option, rules)
  if (pairs.length === 0) fail(option, 'at least one', pairs)
  if (!pairs.every(pair => Array.isArray(pair) && pair.length === 2)) fail(option, 'pairs of path and rule', pairs)
  return pairs
}

function pairsOf<R>(option: string, rules: { readonly [path: string]: R }): [string, R][] {
  const prototype: unknown = Object.getPrototypeOf(rules)
  // `{ __proto__: … }` names no field, and a rule that silently isn't there would leak.
  if (prototype !== Object.prototype && prototype !== null) fail(option, 'a plain object, or pairs', rules)
  return Object.entries(rules)
}

/** Whether the one path is the other, or leads to it. */
export function leadsTo(path: readonly string[], other: readonly string[]): boolean {
  return path.length <= other.length && path.every((name, index) => name === other[index])
}
