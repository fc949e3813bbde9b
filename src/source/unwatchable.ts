import type { MongoClient } from 'mongodb'
import { replyOptions } from './reply-options.js'
import type { NamePattern, ResolvedOptions } from './source-options.js'

/**
 * The time-series collections among what is watched in one database: a change stream says nothing of them, and no error
 * tells. Empty where the user may not list them, and for a whole deployment, which has too many databases to ask.
 */
export async function timeSeriesIn(
  client: () => Promise<MongoClient>,
  database: string,
  { collections, excludeCollections }: ResolvedOptions,
): Promise<string[]> {
  if (database === 'admin') return []
  try {
    const options = { ...replyOptions, nameOnly: true, authorizedCollections: true }
    const listed = (await client()).db(database).listCollections({ type: 'timeseries' }, options)
    const names = (await listed.toArray()).map(({ name }) => name) // all batches; that ends the cursor
    const fits = (name: string) => (pattern: NamePattern) =>
      typeof pattern === 'string' ? pattern === name : pattern.test(name)
    return names.filter(name => (collections?.some(fits(name)) ?? true) && !excludeCollections.some(fits(name)))
  } catch {
    return []
  }
}
