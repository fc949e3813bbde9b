import type { BSON, MongoClient } from 'mongodb'
import { messageOf, OptionsError } from './errors.js'
import { refuseMissing } from './missing-package.js'
import { withDeadline } from './waiting.js'

/** The package. */
export type Mongo = typeof import('mongodb')

/** Time-outs of a client of our own: a dead server is noticed in seconds, and our own loop does the waiting. */
const TIME_OUTS = {
  serverSelectionTimeoutMS: 3_000,
  connectTimeoutMS: 5_000,
  heartbeatFrequencyMS: 2_000,
} as const

const CLOSE_MS = 2_000

/** Loads mongodb when it is first needed, so that importing the package doesn't need it. @throws OptionsError */
export async function loadMongo(load: () => Promise<unknown> = () => import('mongodb')): Promise<Mongo> {
  return (await load().catch(refuseMissing('mongodb'))) as Mongo
}

/** The driver's BSON library, loaded when it is first needed. @throws OptionsError */
export async function loadBson(): Promise<typeof BSON> {
  return (await loadMongo()).BSON
}

/** A client for this connection string, connected at its first command. @throws OptionsError */
export async function openOwnClient(uri: string): Promise<MongoClient> {
  const { MongoClient } = await loadMongo()
  try {
    return new MongoClient(uri, { ...TIME_OUTS, appName: 'mongo-rabbit-cdc' })
  } catch (error) {
    // The parser's error may quote parts of the connection string: it is no cause, and repeated only if it does not.
    const said = messageOf(error)
    const detail = quotes(said, uri) ? 'it can not be parsed' : said
    throw new OptionsError('CDC_OPTION_INVALID', `Expected \`uri\` to be a MongoDB connection string: ${detail}`)
  }
}

/**
 * The client of `open`, connected. One whose first attempt failed says "Topology is closed" to everything for ever
 * unless `connect()` is called again. Once it was connected it finds its servers by itself, and is left alone: its
 * owner may have closed it on purpose.
 */
export function connectedOnce(open: () => Promise<MongoClient>): () => Promise<MongoClient> {
  let connected: MongoClient | undefined
  return async () => {
    const client = await open()
    if (connected !== client) await client.connect()
    connected = client
    return client
  }
}

/** Whether a text holds anything of a connection string beside its scheme and the names of its options. */
function quotes(text: string, uri: string): boolean {
  const rest = uri.replace(/^mongodb(\+srv)?:\/\//, '')
  const parts = rest.replace(/[?&][^=&]*=/g, '&').split(/[:/?&@,]/)
  return parts.some(part => part !== '' && (text.includes(part) || text.includes(decoded(part))))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Closes it, bounded: inside a black hole the driver's own close first waits for a connection to end sessions on. */
export async function closeOwnClient(opening: Promise<MongoClient>): Promise<void> {
  const closing = opening.then(client => client.close()).catch(() => undefined)
  await withDeadline(closing, CLOSE_MS, () => opening.then(destroySockets).catch(() => undefined))
}

/** The driver has no public call for this; its sockets and monitors would hold the process for ten more seconds. */
function destroySockets(client: MongoClient): void {
  const { topology } = client as unknown as { readonly topology?: { close?(): void } }
  topology?.close?.()
}
