import type { ChangeStreamDocument } from 'mongodb'
import { copyEvent, DeferredDocument, type DeferredField, deferrableFields, deferredIn } from '../deferred-document.js'
import { TransformError } from '../errors.js'
import { editBytes } from './edit-bytes.js'
import { editDescription, editKeyedFields, type UpdateDescription } from './edit-description.js'
import { editDescriptionBytes } from './edit-description-bytes.js'
import type { FieldEdit } from './edit-paths.js'
import { editValue, REMOVED } from './edit-value.js'
import type { RuleNode } from './rule-tree.js'

/** How each place of a change event is edited in which the fields of a document show. */
export interface EventEdit {
  /** A whole document. */
  document(document: unknown): unknown
  /** Fields by dotted path, as in the key of a sharded collection. */
  keyedFields(fields: object): unknown
  description(description: UpdateDescription): unknown
  /** Of what nobody has decoded yet, the same bytes when nothing changes; `undefined` when it has to be decoded. */
  undecoded?(field: DeferredField, bytes: Buffer): Buffer | undefined
}

/** Edits a change event by rules over paths, wherever the fields of its document show. */
export function editByRules<R>(root: RuleNode<R>, edit: FieldEdit<R>): EventEdit {
  return {
    document: document => editValue(document, root.self, edit),
    keyedFields: fields => editKeyedFields(fields, root, edit),
    description: description => editDescription(description, root, edit),
    undecoded: (field, bytes) =>
      field === 'updateDescription' ? editDescriptionBytes(bytes, root, edit) : editBytes(bytes, root.self, edit),
  }
}

/**
 * The event with these places edited; itself, when nothing changes.
 *
 * @throws TransformError `CDC_TRANSFORM_FAILED` when it is no change event: what a step before made of one would pass
 * with all its fields
 */
export function editEvent<E extends ChangeStreamDocument>(name: string, event: E, edit: EventEdit): E {
  if (typeof event?.operationType !== 'string') throw notAnEvent(name)
  const places = event as unknown as Readonly<Record<string, unknown>>
  const undecoded: { [field in DeferredField]?: DeferredDocument } = {}
  const decoded: [place: string, edited: unknown][] = []
  let changed = false
  const put = (place: string, edited: unknown): void => {
    if (Object.is(edited, places[place])) return
    decoded.push([place, edited])
    changed = true
  }
  for (const place of deferrableFields) {
    const deferred = edit.undecoded && deferredIn(event, place)
    const bytes = deferred && edit.undecoded?.(place, deferred.bytes)
    if (deferred === undefined || bytes === undefined) {
      const value = places[place]
      if (place !== 'updateDescription') {
        if (value != null) put(place, edit.document(value))
      } else if (isObject(value)) put(place, edit.description(value))
    } else if (bytes !== deferred.bytes) {
      undecoded[place] = new DeferredDocument(bytes, deferred.decoder)
      changed = true
    }
  }
  if (isObject(places.documentKey)) put('documentKey', edit.keyedFields(places.documentKey))
  if (!changed) return event
  const copy = copyEvent(event, undecoded)
  for (const [place, edited] of decoded) {
    if (edited === REMOVED) delete copy[place]
    else copy[place] = edited
  }
  return copy as unknown as E
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function notAnEvent(name: string): TransformError {
  const text = `Expected ${name} to get a change event with \`operationType\`, got something else`
  const hint = 'place it before the steps that make something else of the event'
  return new TransformError('CDC_TRANSFORM_FAILED', text, { hint })
}
