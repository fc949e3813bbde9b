import type { ChangeStreamDocument } from 'mongodb'
import { copyEvent } from '../deferred-document.js'
import { TransformError } from '../errors.js'
import { markFactory } from '../factories.js'
import { fail } from '../options.js'
import type { TransformContext } from '../types.js'

/** An event with further facts about it, each in `metadata`. */
export type WithMetadata<E, M> = E & { readonly metadata: M }

/**
 * Adds fields under the event's own name `metadata`, where no field of the server can be in their way. The body of
 * `changeEventMessage` carries them; for other shapes take them from there, as in `headers: event => event.metadata`.
 * A second `addMetadata` adds to the first; of two fields of one name the later wins.
 *
 * @param fields A plain object, the same for every event, or a synchronous function of the event; for what has to be asked
 * for see `enrich`.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when it is neither. The returned function throws TransformError
 * `CDC_TRANSFORM_UNDEFINED` or `CDC_TRANSFORM_FAILED` when `fields` returns none.
 *
 * @example
 * import { addMetadata, changeEventMessage, pipe } from 'mongo-rabbit-cdc'
 *
 * const marked = pipe(
 *   addMetadata({ service: 'shop', schemaVersion: 3 }),
 *   addMetadata(event => ({ late: event.wallTime !== undefined && event.wallTime < new Date('2024-01-01') })),
 *   changeEventMessage(),
 * )
 */
export function addMetadata<M extends object, E extends object = ChangeStreamDocument>(
  fields: (event: E, context?: TransformContext) => M,
): (event: E, context?: TransformContext) => WithMetadata<E, M>
export function addMetadata<const M extends Readonly<Record<string, unknown>>, E extends object = ChangeStreamDocument>(
  fields: M,
): (event: E, context?: TransformContext) => WithMetadata<E, M>
export function addMetadata(
  fields: object | ((event: object, context?: TransformContext) => object),
): (event: object, context?: TransformContext) => WithMetadata<object, object> {
  const fieldsOf =
    typeof fields === 'function' ? (fields as (event: object, c?: TransformContext) => object) : undefined
  if (!fieldsOf && !isRecord(fields)) fail('fields of addMetadata', 'a plain object or a function', fields)
  const fixed = { ...fields }
  return function addMetadata(event, context) {
    const added = fieldsOf ? checked(fieldsOf(event, context)) : fixed
    const { metadata } = event as { readonly metadata?: object }
    const copy = copyEvent(event)
    // Two spreads in one object take several times as long as one.
    copy.metadata = metadata === undefined ? { ...added } : { ...metadata, ...added }
    return copy as { readonly metadata: object }
  }
}

markFactory('addMetadata', addMetadata)

function checked(added: object | undefined): object {
  if (isRecord(added)) return added
  const code = added === undefined ? 'CDC_TRANSFORM_UNDEFINED' : 'CDC_TRANSFORM_FAILED'
  throw new TransformError(code, `Expected \`fields\` of addMetadata to return a plain object, got ${kindOf(added)}`, {
    hint: 'most often a forgotten `return`, or an asynchronous function: that is the work of `enrich`',
  })
}

/** Of an instance of a class nothing, or something unexpected, would be added: the fields of a Map are no properties. */
function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || 'then' in value) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Also one of another realm, as tests have them.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  return 'then' in value ? 'a promise' : 'an instance of a class'
}
