import { isPosition, type PathPart } from './paths.js'
import { childrenOf, elementsOf, noNodes, type RuleNode, type RuleNodes, ruleOf } from './rule-tree.js'

/** Where a path of an update leads in the tree of rules. */
export interface Landing<R> {
  /** What is reached at its end; empty when no rule concerns it. */
  readonly nodes: RuleNodes<R>
  /** The path is below where a rule ends: the rule, and how many parts of the path are the rule's own. */
  readonly below?: { readonly rule: R; readonly depth: number }
}

/** No rule concerns the path. */
const nowhere: Landing<never> = { nodes: noNodes }

/**
 * Follows a path of an update. With `resolved` its parts are known; without, every reading counts ("a.0" is an element,
 * or a field named "0", or a field named "a.0"), and below a rule in one reading is below it.
 *
 * @param named Whether there is a document at the end of the path, so that a number may be a name in it.
 */
export function followPath<R>(
  root: RuleNode<R>,
  path: string,
  resolved: readonly PathPart[] | undefined,
  named: boolean,
): Landing<R> {
  if (resolved) return followParts(root, resolved, named)
  if (!path.includes('.')) return landingOf(childrenOf(root.self, path))
  return followReadings(root, path.split('.'), named)
}

function followParts<R>(root: RuleNode<R>, parts: readonly PathPart[], named: boolean): Landing<R> {
  let nodes: RuleNodes<R> = root.self
  for (const [index, part] of parts.entries()) {
    const next = parts[index + 1]
    const isNamed = next === undefined ? named : typeof next === 'string'
    nodes = typeof part === 'string' ? childrenOf(nodes, part) : elementsOf(nodes, String(part), isNamed)
    const rule = next === undefined ? undefined : ruleOf(nodes)
    if (rule !== undefined) return { nodes: noNodes, below: { rule, depth: index + 1 } }
  }
  return landingOf(nodes)
}

/** All readings at once: which nodes are reached after how many names. */
function followReadings<R>(root: RuleNode<R>, names: readonly string[], named: boolean): Landing<R> {
  const reached: Set<RuleNode<R>>[] = [new Set(root.self)]
  const reach = (at: number, node: RuleNode<R> | undefined): void => {
    if (node === undefined) return
    reached[at] ??= new Set()
    reached[at].add(node)
  }
  for (const [at, name] of names.entries()) {
    const here = [...(reached[at] ?? noNodes)]
    const rule = ruleOf(here)
    if (rule !== undefined) return { nodes: noNodes, below: { rule, depth: at } }
    const endsHere = at + 1 === names.length
    for (const node of here) {
      reach(at + 1, node.children.get(name))
      for (const [parts, child] of node.dotted) {
        if (parts.every((part, index) => part === names[at + index])) reach(at + parts.length, child)
      }
      // The first name of a path is that of a field: documents aren't arrays.
      if (at > 0 && isPosition(name)) reach(at + 1, endsHere && !named ? node.through : node)
    }
  }
  return landingOf([...(reached[names.length] ?? noNodes)])
}

function landingOf<R>(nodes: RuleNodes<R>): Landing<R> {
  return nodes.length === 0 ? nowhere : { nodes }
}
