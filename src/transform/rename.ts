import type { ChangeStreamDocument } from 'mongodb'
import { markFactory } from '../factories.js'
import { fail } from '../options.js'
import type { TransformContext } from '../types.js'
import { editEvent } from './edit-event.js'
import { editValue } from './edit-value.js'
import { isPosition } from './paths.js'
import { newNames } from './rename-fields.js'
import { renameDescription, renameKeyedFields } from './rename-paths.js'
import { leadsTo, type Rule, type RulesByPath, ruleParts, rulesByPath, ruleTree } from './rule-tree.js'

/**
 * Gives fields of a document another name, in the same place, wherever they show in an event: in both images, in the
 * description of an update, and in `documentKey`. The paths are those of the database, also where a field above is
 * renamed too.
 *
 * An update that removes the old field and sets one that bears the new name already (the database is being migrated) is
 * told as setting the new one only.
 *
 * @param rules By dotted path, in which array positions may be left out (`'lines.sku'`), the new name: a name, not a
 * path, for a field stays where it is. As pairs, where a name holds a dot: `[[['a.b', 'c'], 'd']]`. Not for `_id`.
 * @throws OptionsError `CDC_OPTION_INVALID` at once: no rule, two for one path, a path with an empty part, to `_id` or to
 * an array position, a new name that is empty, a number, `_id` at the top, holds a dot or begins with `$`
 * @throws TransformError `CDC_RENAME_CONFLICT` when called, if a document has a field of the new name already;
 * `CDC_TRANSFORM_FAILED` for something else than a change event
 *
 * @example
 * import { changeEventMessage, pipe, rename } from 'mongo-rabbit-cdc'
 *
 * const readable = pipe(rename({ cust: 'customer', 'lines.n': 'quantity' }), changeEventMessage())
 */
export function rename<E extends ChangeStreamDocument = ChangeStreamDocument>(
  rules: RulesByPath<string>,
): (event: E, context?: TransformContext) => E {
  const pairs = rulesByPath('rules of rename', rules).map(
    ([path, name]): Rule<string> => [ruleParts('paths of rename', path), name],
  )
  pairs.forEach(([parts, name], index) => {
    assertNewName(parts, name)
    const same = pairs.findIndex(([other]) => other.length === parts.length && leadsTo(other, parts))
    if (same !== index) fail('paths of rename', 'different from one another', parts)
  })
  const root = ruleTree(pairs)
  const edit = {
    document: (document: unknown) => editValue(document, root.self, newNames),
    keyedFields: (fields: object) => renameKeyedFields(fields, root),
    description: (description: object) => renameDescription(description, root),
  }
  return function rename(event) {
    return editEvent('rename', event, edit)
  }
}

markFactory('rename', rename)

function assertNewName(parts: readonly string[], name: string): void {
  if (isPosition(parts.at(-1))) fail('paths of rename', 'paths to names, not to positions in arrays', parts)
  const isName = typeof name === 'string' && name !== '' && !name.includes('.') && !name.startsWith('$')
  if (!isName || isPosition(name)) {
    fail('names of rename', 'names without dots, no numbers, not beginning with `$`', name)
  }
  if (parts.length === 1 && name === '_id') fail('names of rename', 'other than `_id`, the id of the document', name)
}
