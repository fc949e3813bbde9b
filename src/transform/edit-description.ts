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
  // Judged by themselves: a stage of the source may have removed what they explain, and names can be data.
  const explained = Object.entries(disambiguatedPaths ?? {}).filter(([path]) => editRemoved(at(path)))
  if (!out.changed) return description

  const set = allSet(out, removed)
  const unset = [...removed, ...out.gone]
  return {
    ...description,
    ...((updatedFields || set.size > 0) && { updatedFields: Object.fromEntries(set) }),
    ...((removedFields || unset.length > 0) && { removedFields: unset }),
    ...(truncatedArrays && { truncatedArrays: truncated }),
    ...(disambiguatedPaths && { disambiguatedPaths: Object.fromEntries([...explained, ...out.parts]) }),
  }
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
