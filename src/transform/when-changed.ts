import type { ChangeStreamDocument } from 'mongodb'
import { assertChangeEvent } from '../change-event.js'
import { markFactory, named } from '../factories.js'
import { assertSome } from '../options.js'
import type { TransformContext } from '../types.js'
import { fieldsOf } from './edit-value.js'
import { type FieldPath, pathParts, resolvedParts, touches } from './paths.js'

/** What `whenChanged` reads of an event; every event of a change stream fits. */
export interface UpdatableEvent {
  readonly operationType: string
  readonly updateDescription?: {
    readonly updatedFields?: object
    readonly removedFields?: readonly string[]
    readonly truncatedArrays?: readonly { readonly field: string }[]
    readonly disambiguatedPaths?: object
  }
}

/**
 * Lets an update pass only if it touched one of these paths: the path itself, something in it, or something that
 * contains it (`'address'` and `'address.city'` match each other). Every other operation passes: of an insert, a replace
 * or a delete nobody can say what didn't change.
 *
 * In doubt an update passes, so that nothing is lost: a `$set` of a whole subdocument counts for every field in it, and
 * an update whose description a stage of the source's `pipeline` removed passes too. Field names that hold dots or look
 * like numbers can be told from paths only with the source's `showExpandedEvents` (or MongoDB 8.2 and later).
 *
 * @param paths At least one. A dotted path, in which array positions may be left out (`'lines.sku'` covers
 * `lines.3.sku`) or given (`'lines.0'`); or an array of names, for names that hold dots themselves: `['a.b', 'c']`.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when none is given or a path has an empty part
 * @throws TransformError `CDC_TRANSFORM_FAILED` when called with something else than a change event
 *
 * @example
 * import { onlyOperations, pipe, whenChanged } from 'mongo-rabbit-cdc'
 *
 * const statusChanges = pipe(onlyOperations('insert', 'update'), whenChanged('status', 'address.city'))
 */
export function whenChanged<E extends UpdatableEvent = ChangeStreamDocument>(
  ...paths: readonly [FieldPath, ...FieldPath[]]
): (event: E, context?: TransformContext) => E | null {
  assertSome('paths of whenChanged', paths)
  const wanted = paths.map(path => pathParts('paths of whenChanged', path))
  return named('whenChanged', event => {
    assertChangeEvent(event)
    const description = event.updateDescription
    if (event.operationType !== 'update' || !description) return event
    const { updatedFields, removedFields, truncatedArrays = [], disambiguatedPaths } = description
    if (!updatedFields || !removedFields) return event
    const touched = [
      ...Object.keys(fieldsOf(updatedFields) ?? {}),
      ...removedFields,
      ...truncatedArrays.map(({ field }) => field),
    ]
    return touched.some(path => wanted.some(parts => touches(parts, path, resolvedParts(disambiguatedPaths, path))))
      ? event
      : null
  })
}

markFactory('whenChanged', whenChanged)
