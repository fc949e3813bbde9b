import type { UpdateDescription } from './edit-description.js'
import { editValue, fieldsOf, isDocument } from './edit-value.js'
import { isPosition, type PathPart, resolvedParts } from './paths.js'
import { newNames, refuseSecondField } from './rename-fields.js'
import { childrenOf, elementsOf, type RuleNode, type RuleNodes, ruleOf } from './rule-tree.js'

/** A path of an update before and after. */
interface RenamedPath {
  readonly path: string
  readonly parts: readonly PathPart[]
  readonly oldParts: readonly PathPart[]
  /** Where the old path leads, for names in the value. */
  readonly nodes: RuleNodes<string>
}

/** Fields by dotted path under their new names; themselves, when nothing changes. */
export function renameKeyedFields(keyed: object, root: RuleNode<string>): object {
  return renameDescription({ updatedFields: keyed }, root).updatedFields ?? keyed
}

/** The description of an update with the new names; itself, when nothing changes. */
export function renameDescription(description: UpdateDescription, root: RuleNode<string>): UpdateDescription {
  const { updatedFields, removedFields, truncatedArrays, disambiguatedPaths } = description
  const renamed = new Map<string, RenamedPath>()
  const rename = (path: string, value?: unknown): RenamedPath => {
    const parts = resolvedParts(disambiguatedPaths, path)
    const result = parts ? renameParts(root, parts, value) : renameNames(root, path.split('.'), value)
    renamed.set(path, result)
    return result
  }
  let changed = false
  const set = Object.entries(fieldsOf(updatedFields) ?? {}).map(([path, value]) => {
    const to = rename(path, value)
    const edited = editValue(value, to.nodes, newNames)
    changed ||= to.path !== path || !Object.is(edited, value)
    return [to, edited] as const
  })
  const truncated = (truncatedArrays ?? []).map(array => [rename(array.field, []), array] as const)
  const removed = (removedFields ?? []).map(path => rename(path, {}))
  for (const [path, to] of renamed) changed ||= to.path !== path
  if (!changed) return description

  const taken = takenNames([...set, ...truncated].map(([to]) => to))
  // A field that moved to where another one is removed: what is there now counts.
  const unset = removed.filter(to => !isTaken(taken, to))
  return {
    ...description,
    ...(updatedFields && { updatedFields: Object.fromEntries(set.map(([to, value]) => [to.path, value])) }),
    ...(removedFields && { removedFields: [...new Set(unset.map(({ path }) => path))] }),
    ...(truncatedArrays && { truncatedArrays: truncated.map(([to, array]) => ({ ...array, field: to.path })) }),
    ...(disambiguatedPaths && { disambiguatedPaths: renamedParts(disambiguatedPaths, renamed) }),
  }
}

function renamedParts(disambiguatedPaths: object, renamed: ReadonlyMap<string, RenamedPath>): object {
  const known = Object.keys(disambiguatedPaths).flatMap(path => renamed.get(path) ?? [])
  return Object.fromEntries(known.map(({ path, parts }) => [path, parts]))
}

function renameParts(root: RuleNode<string>, parts: readonly PathPart[], value: unknown): RenamedPath {
  let nodes: RuleNodes<string> = root.self
  const names = parts.map((part, index) => {
    const next = parts[index + 1]
    const named = next === undefined ? isDocument(value) : typeof next === 'string'
    nodes = typeof part === 'string' ? childrenOf(nodes, part) : elementsOf(nodes, String(part), named)
    return typeof part === 'string' ? (ruleOf(nodes) ?? part) : part
  })
  return { path: names.join('.'), parts: names, oldParts: parts, nodes }
}

/** Where the server doesn't tell, a dot parts names, unless only a name with a dot has a rule. */
function renameNames(root: RuleNode<string>, path: readonly string[], value: unknown): RenamedPath {
  let nodes: RuleNodes<string> = root.self
  const [names, oldParts]: [string[], string[]] = [[], []]
  for (let at = 0; at < path.length; ) {
    const part = path[at] as string
    const below = childrenOf(nodes, part)
    const dotted = nodes.flatMap(node => node.dotted).find(([parts]) => parts.every((name, i) => name === path[at + i]))
    const [old, next] = below.length === 0 && dotted ? [dotted[0].join('.'), dotted[1].self] : [part, below]
    const isElement = next.length === 0 && at > 0 && isPosition(part)
    const named = at + 1 < path.length || isDocument(value)
    nodes = isElement ? elementsOf(nodes, part, named) : next
    names.push((isElement ? undefined : ruleOf(next)) ?? old)
    oldParts.push(old)
    at += old === part ? 1 : (dotted?.[0].length ?? 1)
  }
  return { path: names.join('.'), parts: names, oldParts, nodes }
}

/** Which new path, from the top down, comes from which old one. */
function takenNames(paths: readonly RenamedPath[]): ReadonlyMap<string, string> {
  const taken = new Map<string, string>()
  for (const to of paths) {
    for (const [path, from] of prefixesOf(to)) {
      if ((taken.get(path) ?? from) !== from) refuseSecondField()
      taken.set(path, from)
    }
  }
  return taken
}

function isTaken(taken: ReadonlyMap<string, string>, to: RenamedPath): boolean {
  return prefixesOf(to).some(([path, from]) => (taken.get(path) ?? from) !== from)
}

function prefixesOf({ parts, oldParts }: RenamedPath): [path: string, from: string][] {
  return parts.map((_, index) => [parts.slice(0, index + 1).join('\0'), oldParts.slice(0, index + 1).join('\0')])
}
