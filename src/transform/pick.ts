import type { ChangeStreamDocument } from 'mongodb'
import { markFactory } from '../factories.js'
import { withNeeds } from '../needs.js'
import { assertSome } from '../options.js'
import type { TransformContext } from '../types.js'
import { editByRules, editEvent } from './edit-event.js'
import type { FieldEdit } from './edit-paths.js'
import { KEPT, REMOVED } from './edit-value.js'
import { type FieldPath, pathParts } from './paths.js'
import { type Rule, ruleTree } from './rule-tree.js'

const keepOnly: FieldEdit<true> = {
  at: (_, value) => value,
  outside: () => REMOVED,
  withoutFields: () => REMOVED,
  below: () => KEPT,
  keepsOutside: false,
  always: () => KEPT,
}

/**
 * Keeps these fields and `_id` of a document, wherever it shows in an event: in both images, in the description of an
 * update, and in `documentKey`. Where a path leads into a document, the document stays with what is picked of it.
 *
 * An update that touched none of the fields passes with an empty description; put `whenChanged` with the same paths in
 * front to filter it. The resume token still holds the `_id` and the shard key. A pipeline with it asks what its dead
 * letters may show: see `redact` of `deadLetterMessage`.
 *
 * @param paths At least one. Array positions may be left out (`'lines.sku'`); a name that holds a dot is given in an
 * array of names: `['a.b', 'c']`. Elements of an array of which nothing is picked become `null`.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when none is given or a path has an empty part
 * @throws TransformError `CDC_TRANSFORM_FAILED` when called with something else than a change event
 *
 * @example
 * import { changeEventMessage, pick, pipe, whenChanged } from 'mongo-rabbit-cdc'
 *
 * const prices = pipe(whenChanged('sku', 'price.net'), pick('sku', 'price.net'), changeEventMessage())
 */
export function pick<E extends ChangeStreamDocument = ChangeStreamDocument>(
  ...paths: readonly [FieldPath, ...FieldPath[]]
): (event: E, context?: TransformContext) => E {
  assertSome('paths of pick', paths)
  const rules = [['_id'], ...paths].map((path): Rule<true> => [pathParts('paths of pick', path), true])
  const edit = editByRules(ruleTree(rules), keepOnly)
  return withNeeds(
    function pick(event) {
      return editEvent('pick', event, edit)
    },
    { hiding: 'repeatable' },
  )
}

markFactory('pick', pick)
