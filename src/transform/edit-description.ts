import {
  type EditedPath,
  type EditedPaths,
  editRemoved,
  editSet,
  editTruncated,
  type FieldEdit,
  noEditedPaths,
} from './edit-paths.js'
import { fieldsOf } from './edit-value.js'
import type { PathPart } from './paths.js'
import type { RuleNode } from './rule-tree.js'

/** What `updateDescription` holds; a stage of the source may have removed any of it. */
export interface UpdateDescription {
  readonly updatedFields?: object | null
  readonly removedFields?: readonly string[] | null
  readonly truncatedArrays?: readonly { readonly field: string }[] | null
  readonly disambiguatedPaths?: object | null
}

/** Fields by dotted path as the rules make them; themselves, when nothing changes. */
export function editKeyedFields<R>(keyed: object, root: RuleNode<R>, edit: FieldEdit<R>): object {
  const out = noEditedPaths()
  for (const [path, value] of Object.entries(fieldsOf(keyed) ?? {})) {
    editSet({ path, root, edit, disambiguatedPaths: undefined, out }, value)
  }
  return out.changed ? Object.fromEntries(allSet(out, [])) : keyed
}

/** The description of an update as the rules make it; itself, when nothing changes. */
export function editDescription<R>(
  description: UpdateDescription,
  root: RuleNode<R>,
  edit: FieldEdit<R>,
): UpdateDescription {
  const { updatedFields, removedFields, truncatedArrays, disambiguatedPaths } = description
  const out = noEditedPaths()
  const at = (path: string): EditedPath<R> => ({ path, root, edit, disambiguatedPaths, out })
  const fields = fieldsOf(updatedFields) ?? {}
  for (const [path, value] of Object.entries(fields)) editSet(at(path), value)
  const removed = removedFields?.filter(path => editRemoved(at(path))) ?? []
  const truncated = truncatedArrays?.filter(({ field }) => editTruncated(at(field))) ?? []
  const toldPaths = [...Object.keys(fields), ...(removedFields ?? []), ...pathsOf(truncatedArrays ?? [])]
  const explainedOnly = keysBeside(disambiguatedPaths, toldPaths).filter(path => editRemoved(at(path)))
  if (!out.changed) return description

  const set = allSet(out, removed)
  const unset = [...removed, ...out.gone]
  const paths = [...set.keys(), ...unset, ...pathsOf(truncated), ...explainedOnly]
  return {
    ...description,
    ...((updatedFields || set.size > 0) && { updatedFields: Object.fromEntries(set) }),
    ...((removedFields || unset.length > 0) && { removedFields: unset }),
    ...(truncatedArrays && { truncatedArrays: truncated }),
    ...(disambiguatedPaths && {
      disambiguatedPaths: partsOfPaths(paths, [disambiguatedPaths, Object.fromEntries(out.parts)]),
    }),
  }
}

function pathsOf(truncatedArrays: readonly { readonly field: string }[]): string[] {
  return truncatedArrays.map(({ field }) => field)
}

/** Paths that are explained but not told: a stage of the source has removed the rest. Their names may be data too. */
function keysBeside(disambiguatedPaths: object | null | undefined, told: readonly string[]): string[] {
  const explained = Object.keys(disambiguatedPaths ?? {})
  if (explained.length === 0) return explained
  const known = new Set(told)
  return explained.filter(path => !known.has(path))
}

/**
 * All values. What the update itself says about a path wins over what was put there instead of a part: both are there
 * only if the part was read wrong, as a field whose name holds a dot.
 */
function allSet({ set, instead }: EditedPaths, removed: readonly string[]): ReadonlyMap<string, unknown> {
  if (instead.size === 0) return set
  const said = new Set([...set.keys(), ...removed])
  return new Map([...set, ...[...instead].filter(([path]) => !said.has(path))])
}

/** The parts of these paths, as far as one of the sources knows them; names of hidden fields don't stay in it. */
function partsOfPaths(paths: readonly string[], sources: readonly object[]): object {
  return Object.fromEntries(
    paths.flatMap(path => {
      const source = sources.find(parts => Object.hasOwn(parts, path)) as
        | Record<string, readonly PathPart[]>
        | undefined
      return source ? [[path, source[path]]] : []
    }),
  )
}
