import type { ChangeStreamDocument } from 'mongodb'
import { OptionsError } from '../errors.js'
import { markFactory } from '../factories.js'
import { withNeeds } from '../needs.js'
import type { TransformContext } from '../types.js'
import { editByRules, editEvent } from './edit-event.js'
import { isPosition } from './paths.js'
import { type Redaction, type Redactor, redactionEdit, redactorOf } from './redaction.js'
import { leadsTo, type Rule, type RulesByPath, ruleParts, rulesByPath, ruleTree } from './rule-tree.js'

/**
 * Hides fields of a document, wherever it shows in an event: in both images, in the description of an update, and in
 * `documentKey`. Each is left out, masked or replaced by a keyed hash; nothing is shown of what is below.
 *
 * In doubt it hides: where a path leads into a value that has no fields, such as a string, the value goes; a name with a
 * dot that the server doesn't tell from a path counts as both. An update of a part of a masked field shows the mask, one
 * of a part of a hashed field shows `null`, for the hash of the whole is not known. What it can't reach: the resume
 * token, which holds `_id` and shard key (see `tokenHeader`), and fields that a stage of the source's `pipeline` copies
 * elsewhere. A pipeline with it asks what its dead letters may show: see `redact` of `deadLetterMessage`.
 *
 * @param rules By dotted path, in which array positions may be left out (`'lines.sku'`); or as pairs, where a name
 * holds a dot: `[[['a.b', 'c'], 'remove']]`. Not for `_id`.
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN` at once: no rule, no such redaction, a key under 16
 * bytes, a path with an empty part, into `_id`, or within that of another rule
 * @throws TransformError `CDC_TRANSFORM_FAILED` when called with something else than a change event
 *
 * @example
 * import { changeEventMessage, pipe, redact } from 'mongo-rabbit-cdc'
 *
 * const discreet = pipe(
 *   redact({
 *     'card.number': 'remove',
 *     iban: { mask: '****', keepLast: 4 },
 *     email: { hash: { key: process.env.HASH_KEY ?? '' } },
 *   }),
 *   changeEventMessage(),
 * )
 */
export function redact<E extends ChangeStreamDocument = ChangeStreamDocument>(
  rules: RulesByPath<Redaction>,
): (event: E, context?: TransformContext) => E {
  const pairs = rulesByPath('rules of redact', rules).map(
    ([path, redaction]): Rule<Redactor> => [ruleParts('paths of redact', path), redactorOf(redaction)],
  )
  refuseNested(pairs.map(([parts]) => parts))
  const edit = editByRules(ruleTree(pairs), redactionEdit)
  return withNeeds(
    function redact(event) {
      return editEvent('redact', event, edit)
    },
    { hiding: isRepeatable(pairs) ? 'repeatable' : 'once' },
  )
}

markFactory('redact', redact)

/** Two rules can meet at one value where one of them names a position in an array, or a name that holds a dot. */
function isRepeatable(pairs: readonly Rule<Redactor>[]): boolean {
  const ends = pairs.filter(([, { showsEnd }]) => showsEnd).map(([parts]) => namesIn(parts))
  return pairs.every(([, { repeatable }]) => repeatable) && new Set(ends).size === ends.length
}

function namesIn(parts: readonly string[]): string {
  const names = parts.join('.').split('.')
  return names.filter(name => !isPosition(name)).join('.')
}

/** Two rules for one value: somebody expects what only one of them can do. */
function refuseNested(paths: readonly (readonly string[])[]): void {
  for (const [index, path] of paths.entries()) {
    const other = paths.find((candidate, at) => at !== index && leadsTo(candidate, path))
    if (other === undefined) continue
    const text = `Expected \`paths of redact\` to be apart, got \`${path.join('.')}\` within \`${other.join('.')}\``
    throw new OptionsError('CDC_OPTION_INVALID', text)
  }
}
