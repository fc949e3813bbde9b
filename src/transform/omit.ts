import type { ChangeStreamDocument } from 'mongodb'
import { markFactory } from '../factories.js'
import { withNeeds } from '../needs.js'
import { assertSome } from '../options.js'
import type { TransformContext } from '../types.js'
import { editByRules, editEvent } from './edit-event.js'
import type { FieldPath } from './paths.js'
import { redactionEdit, removal } from './redaction.js'
import { type Rule, ruleParts, ruleTree } from './rule-tree.js'

/**
 * Leaves these fields out of a document, wherever it shows in an event: of both images, of the description of an
 * update, and of `documentKey`. The same as `redact` with `'remove'` for each.
 *
 * In doubt a field goes: where a path leads into a value that has no fields, such as a string, the value goes. An update
 * that touched nothing else passes with an empty description. The resume token still holds the shard key. A pipeline
 * with it asks what its dead letters may show: see `redact` of `deadLetterMessage`.
 *
 * @param paths At least one, not `_id`. Array positions may be left out (`'lines.sku'`); a name that holds a dot is given
 * in an array of names: `['a.b', 'c']`. Elements of an array become `null`, so that positions stay.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when none is given, a path has an empty part or leads to `_id`
 * @throws TransformError `CDC_TRANSFORM_FAILED` when called with something else than a change event
 *
 * @example
 * import { changeEventMessage, omit, pipe } from 'mongo-rabbit-cdc'
 *
 * const withoutCards = pipe(omit('card', 'lines.cost'), changeEventMessage())
 */
export function omit<E extends ChangeStreamDocument = ChangeStreamDocument>(
  ...paths: readonly [FieldPath, ...FieldPath[]]
): (event: E, context?: TransformContext) => E {
  assertSome('paths of omit', paths)
  const rules = paths.map((path): Rule<typeof removal> => [ruleParts('paths of omit', path), removal])
  const edit = editByRules(ruleTree(rules), redactionEdit)
  return withNeeds(
    function omit(event) {
      return editEvent('omit', event, edit)
    },
    { hiding: 'repeatable' },
  )
}

markFactory('omit', omit)
