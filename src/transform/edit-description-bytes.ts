import { ARRAY, DB_POINTER, DOCUMENT } from '../bson-layout.js'
import { ByteEditing, keptOr, type Place, something } from './edit-bytes.js'
import { endsInPosition, type FieldEdit } from './edit-paths.js'
import { KEPT, REMOVED } from './edit-value.js'
import { followPath } from './follow-path.js'
import { type RuleNode, ruleOf } from './rule-tree.js'

/** Of a document or an array that is empty. */
const EMPTY_BYTES = 5

/**
 * The description of an update edited in its bytes, as `editBytes` does it: that of an update that sets fields. Where
 * fields were removed, arrays cut or names explained, and where something becomes of a path that isn't told in its place,
 * it has to be decoded.
 */
export function editDescriptionBytes<R>(bytes: Buffer, root: RuleNode<R>, edit: FieldEdit<R>): Buffer | undefined {
  const editing = new ByteEditing(bytes, edit)
  const isEdited = editing.each(0, 0, false, place => {
    const name = bytes.toString('latin1', place.from + 1, place.value - 1)
    if (name === 'updatedFields' && bytes[place.from] === DOCUMENT) {
      return editing.each(place.value, 1, false, field => editField(editing, { bytes, field, root, edit }))
    }
    return others.has(name) && isEmpty(bytes, place)
  })
  return editing.end(isEdited)
}

const others: ReadonlySet<string> = new Set(['removedFields', 'truncatedArrays', 'disambiguatedPaths'])

function isEmpty(bytes: Buffer, { from, value, to }: Place): boolean {
  return (bytes[from] === ARRAY || bytes[from] === DOCUMENT) && to - value === EMPTY_BYTES
}

interface UpdatedField<R> {
  readonly bytes: Buffer
  readonly field: Place
  readonly root: RuleNode<R>
  readonly edit: FieldEdit<R>
}

function editField<R>(editing: ByteEditing<R>, { bytes, field, root, edit }: UpdatedField<R>): boolean {
  const path = bytes.toString('utf8', field.from + 1, field.value - 1)
  const isDocument = bytes[field.from] === DOCUMENT
  if (bytes[field.from] === DB_POINTER) return false // it becomes a reference, which has fields
  const { nodes, below } = followPath(root, path, undefined, isDocument)
  if (below !== undefined) {
    const part = edit.below(below.rule)
    return (part === KEPT || part === REMOVED) && editing.put(field, part)
  }
  if (nodes.length === 0) return editing.put(field, keptOr(edit.outside(something)))
  if (nodes.length > 1) return false
  const rule = ruleOf(nodes)
  if (rule !== undefined) {
    const what = edit.always(rule)
    return !(what === REMOVED && endsInPosition(path)) && editing.put(field, what)
  }
  // What isn't told in its place any more is told as removed.
  return (isDocument || bytes[field.from] === ARRAY) && editing.edit(field, nodes, 1)
}
