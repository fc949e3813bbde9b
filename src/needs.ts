/**
 * What a transform needs of the source. The factory reads it from the function itself, so that it can set the source
 * up for it, or refuse a pair that can't work, before anything is read.
 */

/** Set to `true` on a transform that needs BSON types undistorted: a source with `promoteValues: false`. */
export const needsExactTypes: unique symbol = Symbol.for('mongo-rabbit-cdc.needsExactTypes')

/** What {@link needsOf} tells. */
export interface Needs {
  /** Int32, Int64 and Double must arrive as such: the source has to decode with `promoteValues: false`. */
  readonly exactTypes: boolean
}

/** Marks a transform with what it needs, and returns it. */
export function withNeeds<F extends (...args: never[]) => unknown>(transform: F, needs: Needs): F {
  if (needs.exactTypes) Object.defineProperty(transform, needsExactTypes, { value: true })
  return transform
}

/** What these transforms need together; nothing where none is marked. */
export function needsOf(...transforms: readonly unknown[]): Needs {
  return { exactTypes: transforms.some(transform => typeof transform === 'function' && needsExactTypes in transform) }
}
