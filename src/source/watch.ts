import { createHash } from 'node:crypto'
import type { Document } from 'mongodb'
import { bsonTypeOf } from '../bson-value.js'
import type { Namespace, Position } from '../types.js'
import type { NamePattern, ResolvedOptions } from './source-options.js'

/** From the options to what the server is asked: scope, filter stages and options of `$changeStream`. Pure. */
export interface Watch {
  /** The database to ask; `admin` for the deployment. */
  readonly database: string
  /** The one collection to ask, or `undefined` for the database or the deployment. */
  readonly collection: string | undefined
  /** The options of the `$changeStream` stage that don't depend on the position. */
  readonly options: Document
  /** The stages after it. */
  readonly stages: readonly Document[]
  /** Digest of all that decides which events are seen; a saved position carries it. */
  readonly digest: string
}

/** Chooses the smallest scope that holds everything, and lets the server filter the rest. */
export function compileWatch(options: ResolvedOptions, exclude: readonly Namespace[]): Watch {
  const { database, databases, excludeDatabases, collections, excludeCollections } = options
  const one = database ?? onlyLiteral(databases, excludeDatabases)
  const wholeDeployment = one === undefined
  const collection = wholeDeployment ? undefined : onlyLiteral(collections, excludeCollections)
  const filters: Document[] = []
  if (wholeDeployment) filters.push(...nameFilters('db', databases, excludeDatabases))
  if (collection === undefined) filters.push(...nameFilters('coll', collections, excludeCollections))
  const changeStream: Document = {
    ...(wholeDeployment && { allChangesForCluster: true }),
    ...(options.fullDocument !== 'default' && { fullDocument: options.fullDocument }),
    ...(options.fullDocumentBeforeChange !== 'off' && { fullDocumentBeforeChange: options.fullDocumentBeforeChange }),
    ...(options.showExpandedEvents && { showExpandedEvents: true }),
  }
  const digest = digestOf([one, collection, filters, changeStream, options.pipeline])
  filters.push(...exclude.map(without))
  const match = filters.length === 0 ? [] : [{ $match: filters.length === 1 ? filters[0] : { $and: filters } }]
  return {
    database: one ?? 'admin',
    collection,
    options: changeStream,
    stages: [...match, ...options.pipeline],
    digest,
  }
}

/** The options of `$changeStream` that open it at a position; `startAfter` takes every kind of token. */
export function startOptions(position: Position, timestamp: (t: number, i: number) => unknown): Document {
  const { kind, clusterTime, token } = position
  return kind === 'time' ? { startAtOperationTime: timestamp(clusterTime.t, clusterTime.i) } : { startAfter: token }
}

function onlyLiteral(include: readonly NamePattern[] | undefined, exclude: readonly NamePattern[]): string | undefined {
  const [name, ...others] = include ?? []
  return typeof name === 'string' && others.length === 0 && exclude.length === 0 ? name : undefined
}

/**
 * An event passes if its name fits, if it has no such name (a dropped database, an invalidate), or if it renames a
 * collection to a name that fits.
 */
function nameFilters(
  part: 'db' | 'coll',
  include: readonly NamePattern[] | undefined,
  exclude: readonly NamePattern[],
): Document[] {
  const filters: Document[] = []
  if (include !== undefined) {
    const fits = anyOf(include)
    filters.push({ $or: [{ [`ns.${part}`]: fits }, { [`ns.${part}`]: { $exists: false } }, { [`to.${part}`]: fits }] })
  }
  if (exclude.length > 0) filters.push({ [`ns.${part}`]: { $not: anyOf(exclude) } })
  return filters
}

/** `$in` takes literals and regular expressions alike; a literal dollar or dot in a name needs no escape there. */
function anyOf(patterns: readonly NamePattern[]): Document {
  return { $in: [...patterns] }
}

function without({ database, collection }: Namespace): Document {
  return { $nor: [{ 'ns.db': database, ...(collection !== undefined && { 'ns.coll': collection }) }] }
}

function digestOf(parts: readonly unknown[]): string {
  const text = JSON.stringify(parts, function (this: Record<string, unknown>, name, value) {
    return tagged(this[name], value)
  })
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}

/** What JSON has no form for, or one that another value has too, with its type beside it. */
function tagged(raw: unknown, json: unknown): unknown {
  if (raw instanceof RegExp) return { $regex: raw.source, $options: raw.flags }
  if (typeof raw === 'bigint') return { $long: String(raw) }
  if (raw instanceof Date) return { $date: json }
  if (typeof raw === 'number' && !Number.isFinite(raw)) return { $double: String(raw) }
  const type = typeof raw === 'object' && raw !== null ? bsonTypeOf(raw) : undefined
  if (type === undefined) return json
  return { $type: type, value: typeof json === 'object' ? { ...json } : json } // a copy: no class, so not tagged again
}
