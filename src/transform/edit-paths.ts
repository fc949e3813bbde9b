import { editValue, isDocument, KEPT, REMOVED, type ValueEdit } from './edit-value.js'
import { followPath, type Landing } from './follow-path.js'
import { type PathPart, resolvedParts } from './paths.js'
import { type RuleNode, ruleOf } from './rule-tree.js'

/** What becomes of values, and of paths of an update. */
export interface FieldEdit<R> extends ValueEdit<R> {
  readonly at: (rule: R, value: unknown) => unknown
  /** What becomes of any value where a rule ends, so that it need not be decoded; `undefined`: that depends on the value. */
  always(rule: R): typeof KEPT | typeof REMOVED | string | undefined
  /**
   * What stands at the path of a rule after a part of what is there changed, since nobody tells the whole then:
   * {@link KEPT}, {@link REMOVED}, or a value, which stands there instead of the part.
   */
  below(rule: R): unknown
  /** Whether a path stays that no rule concerns. */
  readonly keepsOutside: boolean
}

/** What became of paths: collected, since one path can turn into another. */
export interface EditedPaths {
  /** Values by path. */
  readonly set: Map<string, unknown>
  /** Paths whose new value is hidden altogether, while an older one may have been seen. */
  readonly gone: string[]
  /** Values at the paths of rules, instead of parts below. */
  readonly instead: Map<string, unknown>
  /** The parts of paths in `instead`, where the server told those of the longer path. */
  readonly parts: Map<string, readonly PathPart[]>
  changed: boolean
}

/** Nothing edited yet. */
export function noEditedPaths(): EditedPaths {
  return { set: new Map(), gone: [], instead: new Map(), parts: new Map(), changed: false }
}

/** One path of an update, with what leads to the rules. */
export interface EditedPath<R> {
  readonly path: string
  readonly root: RuleNode<R>
  readonly edit: FieldEdit<R>
  readonly disambiguatedPaths: object | null | undefined
  readonly out: EditedPaths
}

/** A path with its new value. */
export function editSet<R>(at: EditedPath<R>, value: unknown): void {
  const { path, root, edit, disambiguatedPaths, out } = at
  const parts = resolvedParts(disambiguatedPaths, path)
  const landing = followPath(root, path, parts, isDocument(value))
  if (landing.below) {
    if (cutStays(at, landing.below)) out.set.set(path, value)
    return
  }
  const edited = editValue(value, landing.nodes, edit)
  if (!Object.is(edited, value)) out.changed = true
  if (edited !== REMOVED) out.set.set(path, edited)
  // As in the document: removing from an array leaves null, so that positions stay.
  else if (landing.nodes.length > 0 && endsInPosition(path, parts)) out.set.set(path, null)
  else if (landing.nodes.length > 0 && ruleOf(landing.nodes) === undefined) out.gone.push(path)
}

/** Whether a path that was removed stays told. */
export function editRemoved<R>(at: EditedPath<R>): boolean {
  const landing = followPath(at.root, at.path, resolvedParts(at.disambiguatedPaths, at.path), true)
  const rule = ruleOf(landing.nodes)
  const stays = landing.below
    ? cutStays(at, landing.below)
    : rule === undefined
      ? landing.nodes.length > 0 || at.edit.keepsOutside
      : at.edit.below(rule) !== REMOVED
  if (!stays) at.out.changed = true
  return stays
}

/** Whether it stays told that the array at a path was cut short: a part of it changed. */
export function editTruncated<R>(at: EditedPath<R>): boolean {
  const landing = followPath(at.root, at.path, resolvedParts(at.disambiguatedPaths, at.path), false)
  const below = landing.below ?? wholePath(landing)
  const stays = below ? cutStays(at, below) : landing.nodes.length > 0 || at.edit.keepsOutside
  if (!stays) at.out.changed = true
  return stays
}

function wholePath<R>({ nodes }: Landing<R>): Landing<R>['below'] {
  const rule = ruleOf(nodes)
  return rule === undefined ? undefined : { rule, depth: Number.POSITIVE_INFINITY }
}

/** Cuts a path to that of a rule above it, for names below may be data; false when the path itself is no longer told. */
function cutStays<R>(
  { path, edit, disambiguatedPaths, out }: EditedPath<R>,
  { rule, depth }: NonNullable<Landing<R>['below']>,
): boolean {
  const outcome = edit.below(rule)
  if (outcome === KEPT) return true
  out.changed = true
  if (outcome === REMOVED) return false
  const parts = resolvedParts(disambiguatedPaths, path)
  const cut = (parts ?? path.split('.')).slice(0, depth)
  const cutPath = cut.join('.')
  out.instead.set(cutPath, outcome)
  if (parts) out.parts.set(cutPath, cut)
  return false
}

/** Whether a path may end in a position, which stands behind the path of its array: a number alone is a field. */
export function endsInPosition(path: string, parts?: readonly PathPart[]): boolean {
  return parts ? typeof parts.at(-1) !== 'string' : /\.\d+$/.test(path)
}
