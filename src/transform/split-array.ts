import type { ChangeStreamDocument } from 'mongodb'
import { assertChangeEvent } from '../change-event.js'
import { TransformError } from '../errors.js'
import { assertTransform, markFactory } from '../factories.js'
import { needsOf, withNeeds } from '../needs.js'
import { fail } from '../options.js'
import type { TransformContext } from '../types.js'
import type { DocumentOf, MayLackDocument } from './document-event.js'
import { type Fields, fieldsOf } from './edit-value.js'
import type { Checked, ElementAt, SplitEvent } from './split-array-types.js'

/** A change event, in the part that is read here. */
interface Splittable {
  readonly fullDocument?: object | null
}

/**
 * Makes one event of each element of an array in the document: the same event, with the element in the array's place.
 * Order is that of the array. A document where the array is empty, missing or `null` is filtered: there is nothing to
 * tell. Events without document pass unchanged: deletes, drops, and updates that weren't looked up. For arrays within
 * arrays split twice: first `'orders'`, then `'orders.lines'`.
 *
 * @param path A dotted path, or an array of names, for names that hold dots themselves.
 * @param shape Makes the output of event, element and index; `null` leaves the element out.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, for a path with an empty part. The returned function throws
 * TransformError `CDC_TRANSFORM_FAILED` when there is something else than an array.
 *
 * @example
 * import { changeEventMessage, onlyOperations, pipe, splitArray } from 'mongo-rabbit-cdc'
 *
 * const lines = pipe(onlyOperations('insert'), splitArray('lines'), changeEventMessage())
 */
export function splitArray<
  const P extends string | readonly string[],
  E extends { readonly operationType: string } = ChangeStreamDocument,
>(path: P): (event: Checked<E, P>, context?: TransformContext) => SplitEvent<E, P>[] | MayLackDocument<E>
export function splitArray<
  const P extends string | readonly string[],
  R extends NonNullable<unknown> | null,
  E extends { readonly operationType: string } = ChangeStreamDocument,
>(
  path: P,
  shape: (event: E, element: ElementAt<DocumentOf<E>, P>, index: number) => R,
): (event: Checked<E, P>, context?: TransformContext) => R[] | MayLackDocument<E>
export function splitArray(
  path: string | readonly string[],
  shape?: (event: Splittable, element: never, index: number) => unknown,
): (event: never, context?: TransformContext) => unknown {
  const names = toNames(path)
  if (shape !== undefined) assertTransform('shape of splitArray', shape)
  function splitArray(event: Splittable): unknown {
    assertChangeEvent(event)
    const { fullDocument } = event
    if (fullDocument === undefined || fullDocument === null) return event
    const elements = elementsAt(fullDocument, names)
    return elements.map((element, index) =>
      shape
        ? shape(event, element as never, index)
        : { ...event, fullDocument: replaced(fullDocument, names, element) },
    )
  }
  return withNeeds(splitArray, needsOf(shape))
}

markFactory('splitArray', splitArray)

function toNames(path: string | readonly string[]): readonly string[] {
  const names = typeof path === 'string' ? path.split('.') : path
  if (!Array.isArray(names) || names.length === 0 || names.some(name => typeof name !== 'string' || name === '')) {
    fail('path of splitArray', 'a dotted path or an array of names, no part empty', path)
  }
  return [...names]
}

/** Own fields only: one may be called `constructor`. */
function elementsAt(document: object, names: readonly string[]): readonly unknown[] {
  let value: unknown = document
  for (const [depth, name] of names.entries()) {
    const fields = Array.isArray(value) ? undefined : fieldsOf(value)
    if (fields === undefined) throw notSplittable(names.slice(0, depth), 'a document')
    value = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (value === undefined || value === null) return []
  }
  if (!Array.isArray(value)) throw notSplittable(names, 'an array')
  return value
}

function replaced(document: unknown, [name = '', ...rest]: readonly string[], element: unknown): Fields {
  const fields = fieldsOf(document)
  const value = rest.length === 0 ? element : replaced(fields?.[name], rest, element)
  // A computed name defines, also `__proto__`.
  return { ...fields, [name]: value }
}

function notSplittable(names: readonly string[], expected: string): TransformError {
  const at = ['fullDocument', ...names].join('.')
  return new TransformError('CDC_TRANSFORM_FAILED', `Expected \`${at}\` of splitArray to be ${expected}`, {
    hint: 'arrays within arrays are split one after the other; to split some events only, use `when`',
  })
}
