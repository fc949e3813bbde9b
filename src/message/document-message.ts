import type { ChangeStreamDocument } from 'mongodb'
import { deferredIn, hasDocument } from '../deferred-document.js'
import { TransformError } from '../errors.js'
import { markFactory, named } from '../factories.js'
import { withNeeds } from '../needs.js'
import { assertKnown, assertOneOf } from '../options.js'
import type { RabbitMessage, TransformContext } from '../types.js'
import { concernsDocument, requiredIdOf } from './document-operations.js'
import { documentFields } from './ejson-encoder.js'
import { encoderOf } from './encoding.js'
import { entryId } from './entry-id.js'
import { type ChangeEvent, fullDocumentOf, namespaceOf } from './event-facts.js'
import type { MessageBody } from './message-body.js'
import { type MessageOptions, messageEnvelope, messageOptionNames } from './message-options.js'

/** Options of {@link documentMessage}. */
export interface DocumentMessageOptions<E extends ChangeEvent = ChangeStreamDocument> extends MessageOptions<E> {
  /**
   * What becomes of a change without its document: a delete, or an update whose document was not looked up or is gone.
   * `key-only`: the body is `type` and `entry_id` alone, the header `x-cdc-operation` tells what happened. `skip`:
   * nothing is published; consumers then never hear of deletes. `fail`: the event fails with `CDC_DOCUMENT_MISSING`.
   *
   * @default 'key-only'
   */
  readonly onMissingDocument?: 'key-only' | 'skip' | 'fail'
}

/** Not taken from the document: its id under its own name, and the two names that this shape gives. */
const REPLACED: readonly string[] = ['_id', 'type', 'entry_id']

/**
 * Shapes a message whose body is the document itself without `_id`, then `type` (the collection) and `entry_id` (the
 * id as a string); fields of the document with these two names are replaced. Events that concern no document (drop,
 * rename, invalidate) are filtered. Updates carry their document only with `fullDocument: 'updateLookup'` or
 * `'whenAvailable'` on the source.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`. The returned function throws TransformError
 * `CDC_DOCUMENT_MISSING`, `CDC_TRANSFORM_FAILED` (a step before has removed the id), `CDC_ENCODE_FAILED`,
 * `CDC_ROUTING_KEY_TOO_LONG`, `CDC_MESSAGE_INVALID`, `CDC_HEADERS_INVALID`.
 */
export function documentMessage<E extends ChangeEvent = ChangeStreamDocument>(
  options: DocumentMessageOptions<E> = {},
): (event: E, context?: TransformContext) => RabbitMessage | null {
  assertKnown('documentMessage', options, [...messageOptionNames, 'onMissingDocument'])
  const { onMissingDocument = 'key-only' } = options
  assertOneOf('onMissingDocument', onMissingDocument, ['key-only', 'skip', 'fail'])
  const encoder = encoderOf(options)
  const envelope = messageEnvelope(options, encoder)

  function documentOnly(event: E, context?: TransformContext): RabbitMessage | null {
    if (!concernsDocument(event)) return null
    if (onMissingDocument !== 'key-only' && !hasDocument(event, 'fullDocument')) {
      if (onMissingDocument === 'skip') return null
      throw documentMissing(event)
    }
    return envelope(encoder.encode(bodyOf(event)), event, context)
  }
  return withNeeds(named('documentMessage', documentOnly), { exactTypes: encoder.needsExactTypes })
}

markFactory('documentMessage', documentMessage)

function bodyOf(event: ChangeEvent): MessageBody {
  const deferred = deferredIn(event, 'fullDocument')
  const document = deferred === undefined ? fullDocumentOf(event) : undefined
  const own: [string, unknown][] = [
    ['type', namespaceOf(event).coll],
    ['entry_id', entryId(requiredIdOf(event))],
  ]
  if (deferred !== undefined) return { spread: { document: deferred, without: REPLACED }, fields: own }
  if (document === undefined) return { fields: own }
  const taken = [...documentFields(document)].filter(([name]) => !REPLACED.includes(name))
  return { fields: [...taken, ...own] }
}

function documentMissing(event: ChangeEvent): TransformError {
  return new TransformError('CDC_DOCUMENT_MISSING', `Expected the ${event.operationType} event to have its document`, {
    hint: 'set `fullDocument` on the source, or `onMissingDocument` to "key-only" or "skip"',
  })
}
