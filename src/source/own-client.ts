import type { MongoClient } from 'mongodb'
import { messageOf, OptionsError } from '../errors.js'
import { withDeadline } from '../retry.js'

/** Time-outs of a client of our own: a dead server is noticed in seconds, and our own loop does the waiting. */
const TIME_OUTS = {
  serverSelectionTimeoutMS: 3_000,
  connectTimeoutMS: 5_000,
  heartbeatFrequencyMS: 2_000,
} as const

const CLOSE_MS = 2_000

/** A client for this connection string, connected at its first command. @throws OptionsError */
export async function openOwnClient(uri: string): Promise<MongoClient> {
  const { MongoClient } = await import('mongodb')
  try {
    return new MongoClient(uri, { ...TIME_OUTS, appName: 'mongo-rabbit-cdc' })
  } catch (error) {
    // The parser's error may quote the connection string with its password: it is neither cause nor quoted then.
    const said = messageOf(error)
    const detail = said.includes('@') || said.includes('://') ? 'it can not be parsed' : said
    throw new OptionsError('CDC_OPTION_INVALID', `Expected \`uri\` to be a MongoDB connection string: ${detail}`)
  }
}

/** Closes it, bounded: inside a black hole the driver's own close hangs. */
export async function closeOwnClient(opening: Promise<MongoClient>): Promise<void> {
  const closing = opening.then(client => client.close()).catch(() => undefined)
  await withDeadline(closing, CLOSE_MS, () => undefined)
}
