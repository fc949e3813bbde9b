import type { ChangeStreamDocument } from 'mongodb'
import { assertChangeEvent } from '../change-event.js'
import { markFactory, named } from '../factories.js'
import { assertOneOf, assertSome } from '../options.js'
import type { TransformContext } from '../types.js'

/** What can happen to a document, a collection or a database, in the words of the server. */
export type OperationType = ChangeStreamDocument['operationType']

// A record, so that a type of a newer driver that is missing here doesn't compile.
const known: { readonly [operation in OperationType]: true } = {
  insert: true,
  update: true,
  replace: true,
  delete: true,
  drop: true,
  rename: true,
  dropDatabase: true,
  invalidate: true,
  create: true,
  createIndexes: true,
  dropIndexes: true,
  modify: true,
  shardCollection: true,
  reshardCollection: true,
  refineCollectionShardKey: true,
}

/**
 * Lets events of these operations pass, and narrows their type: after `onlyOperations('insert')` there always is a
 * `fullDocument`. All others are filtered. To save the server the work of sending them, filter in the source's
 * `pipeline` instead.
 *
 * @param operations At least one. `invalidate`, `drop` and `rename` too pass only when named.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when none is given or one is unknown
 * @throws TransformError `CDC_TRANSFORM_FAILED` when called with something else than a change event
 *
 * @example
 * import { map, onlyOperations, pipe } from 'mongo-rabbit-cdc'
 *
 * const created = pipe(onlyOperations('insert'), map(event => event.fullDocument))
 */
export function onlyOperations<
  const Operation extends OperationType,
  E extends { readonly operationType: string } = ChangeStreamDocument,
>(
  ...operations: readonly [Operation, ...Operation[]]
): (event: E, context?: TransformContext) => Extract<E, { operationType: Operation }> | null {
  assertSome('operations of onlyOperations', operations)
  const wanted = new Set<string>(
    operations.map(operation =>
      assertOneOf('operations of onlyOperations', operation, Object.keys(known) as Operation[]),
    ),
  )
  return named('onlyOperations', event => {
    assertChangeEvent(event)
    return wanted.has(event.operationType) ? (event as Extract<E, { operationType: Operation }>) : null
  })
}

markFactory('onlyOperations', onlyOperations)
