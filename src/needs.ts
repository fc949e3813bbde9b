/**
 * What a transform needs of the rest of the pipeline. The factory reads it from the function itself, so that it can set
 * the other parts up for it, or refuse a pair that can't work, before anything is read.
 */

/** Set to `true` on a transform that needs BSON types undistorted: a source with `promoteValues: false`. */
export const needsExactTypes: unique symbol = Symbol.for('mongo-rabbit-cdc.needsExactTypes')

/** Set on a transform that hides fields, to how: see {@link Needs}. */
const hidesFields = Symbol.for('mongo-rabbit-cdc.hidesFields')

/** What {@link needsOf} tells. */
export interface Needs {
  /** Int32, Int64 and Double must arrive as such: the source has to decode with `promoteValues: false`. */
  readonly exactTypes: boolean
  /**
   * Fields are hidden: what else leaves the pipeline must not show them. `once`: hiding them again makes something else
   * of them, as a hash of a hash. Absent: nothing is hidden.
   */
  readonly hiding?: 'repeatable' | 'once'
}

/** Marks a transform with what it needs, and returns it. */
export function withNeeds<F extends (...args: never[]) => unknown>(
  transform: F,
  { exactTypes = false, hiding }: Partial<Needs>,
): F {
  if (exactTypes) Object.defineProperty(transform, needsExactTypes, { value: true })
  if (hiding !== undefined) Object.defineProperty(transform, hidesFields, { value: hiding })
  return transform
}

/** What these transforms need together; nothing where none is marked. */
export function needsOf(...transforms: readonly unknown[]): Needs {
  const functions = transforms.filter(transform => typeof transform === 'function')
  const hidings = functions.map(transform => (transform as { readonly [hidesFields]?: unknown })[hidesFields])
  const hides = hidings.some(hiding => hiding !== undefined)
  return {
    exactTypes: functions.some(transform => needsExactTypes in transform),
    ...(hides && { hiding: hidings.includes('once') ? 'once' : 'repeatable' }),
  }
}

/** Set to `true` on a function that makes dead letters of whole events, because nobody has said otherwise. */
const showsWholeEvents = Symbol.for('mongo-rabbit-cdc.showsWholeEvents')

/** Marks a function that makes dead letters as one that shows everything without having been told to. */
export function markUndecided(message: object): void {
  Object.defineProperty(message, showsWholeEvents, { value: true })
}

/** Whether dead letters are made by `deadLetterMessage` without a decision about hidden fields. */
export function isUndecided(message: object): boolean {
  return showsWholeEvents in message
}
