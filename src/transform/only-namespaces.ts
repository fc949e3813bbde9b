import type { ChangeStreamDocument } from 'mongodb'
import { assertChangeEvent } from '../change-event.js'
import { markFactory, named } from '../factories.js'
import { assertSome, fail } from '../options.js'
import type { TransformContext } from '../types.js'

/** What `onlyNamespaces` reads of an event; every event of a change stream fits. */
export interface NamespacedEvent {
  readonly operationType: string
  readonly ns?: { readonly db: string; readonly coll?: string }
  /** Of a rename: the new name. */
  readonly to?: { readonly db: string; readonly coll?: string }
}

/**
 * Lets events of these namespaces pass, for a source that watches more than one pipeline wants. A rename passes when
 * its old or its new name fits. An event of no namespace passes always: `invalidate` concerns the whole stream.
 * To save the server the work of sending the others, give the source its `collections` instead.
 *
 * @param patterns At least one: `'db.collection'`, `'db.*'` for a whole database (also its `dropDatabase`), or a RegExp
 * for `db.collection`, which for a `dropDatabase` is tried on `db` alone. A string is compared as it stands: a star
 * elsewhere is refused, because it would silently match nothing.
 * @throws OptionsError `CDC_OPTION_INVALID` at once, when none is given or a string is neither form
 * @throws TransformError `CDC_TRANSFORM_FAILED` when called with something else than a change event
 *
 * @example
 * import { onlyNamespaces, onlyOperations, pipe } from 'mongo-rabbit-cdc'
 *
 * const sales = pipe(onlyNamespaces('shop.orders', 'billing.*', /^archive_\d{4}\.orders$/), onlyOperations('insert'))
 */
export function onlyNamespaces<E extends NamespacedEvent = ChangeStreamDocument>(
  ...patterns: readonly [string | RegExp, ...(string | RegExp)[]]
): (event: E, context?: TransformContext) => E | null {
  assertSome('patterns of onlyNamespaces', patterns)
  const tests = patterns.map(toTest)
  const fits = (ns: NonNullable<NamespacedEvent['ns']>): boolean => tests.some(test => test(ns.db, ns.coll))
  return named('onlyNamespaces', event => {
    assertChangeEvent(event)
    const { ns, to } = event
    if (!ns || fits(ns)) return event
    return to && fits(to) ? event : null
  })
}

markFactory('onlyNamespaces', onlyNamespaces)

function toTest(pattern: string | RegExp): (db: string, coll: string | undefined) => boolean {
  // `search` knows no `lastIndex`: a RegExp with the flag `g` gives the same answer each time.
  if (pattern instanceof RegExp) return (db, coll) => (coll === undefined ? db : `${db}.${coll}`).search(pattern) >= 0
  // Names of databases hold no dot, those of collections may.
  const parts = typeof pattern === 'string' ? /^([^.*]+)\.(\*|[^*]+)$/s.exec(pattern) : null
  if (!parts) fail('patterns of onlyNamespaces', '"db.collection", "db.*" or a RegExp', pattern)
  const [, database, collection] = parts
  return (db, coll) => db === database && (collection === '*' || coll === collection)
}
