import type { MongoClient } from 'mongodb'
import { CheckpointError, messageOf, OptionsError } from '../errors.js'
import { assertMethods, assertText, fail } from '../options.js'
import { withDeadline } from '../retry.js'

/** Noticed in seconds: while the store fails, the pipeline itself waits and tries again. */
const timeouts = { serverSelectionTimeoutMS: 5_000, connectTimeoutMS: 5_000, heartbeatFrequencyMS: 2_000 } as const

const closeMs = 2_000

/** The client that was passed in, or one of our own from the first use on. A closure: no object holds the password. */
export interface ClientSource {
  client(): Promise<MongoClient>
  close(): Promise<void>
}

/** @throws OptionsError unless there is exactly one of `client` and `uri` */
export function openClient({ client, uri }: { client?: MongoClient; uri?: string }): ClientSource {
  if ((client === undefined) === (uri === undefined)) {
    throw new OptionsError('CDC_OPTION_INVALID', 'Expected exactly one of `client` and `uri` for mongoCheckpointStore')
  }
  if (client !== undefined) {
    assertMethods('client', client, ['db', 'close'])
    return { client: async () => client, close: async () => {} }
  }
  if (!/^mongodb(\+srv)?:\/\//.test(assertText('uri', uri ?? '')))
    fail('uri', 'a mongodb:// or mongodb+srv:// URI', uri)
  return ownClient(uri ?? '')
}

function ownClient(uri: string): ClientSource {
  let opening: Promise<MongoClient> | undefined
  let closing: Promise<void> | undefined
  return {
    async client() {
      if (closing) throw new CheckpointError('CDC_CHECKPOINT_FAILED', 'The checkpoint store is closed')
      opening ??= connectLazily(uri)
      return opening
    },
    close() {
      const closed = opening?.then(client => client.close()).catch(() => undefined)
      // Within a black hole the driver's own close would hang.
      closing ??= withDeadline(Promise.resolve(closed), closeMs, () => undefined)
      return closing
    },
  }
}

async function connectLazily(uri: string): Promise<MongoClient> {
  const { MongoClient } = await import('mongodb')
  try {
    return new MongoClient(uri, { ...timeouts, appName: 'mongo-rabbit-cdc' })
  } catch (error) {
    // The parser may quote the URI with its password: it is neither cause nor quoted then.
    const said = messageOf(error)
    const detail = said.includes('@') || said.includes('got') ? 'it can not be parsed' : said
    throw new OptionsError('CDC_OPTION_INVALID', `Expected \`uri\` to be a MongoDB connection string: ${detail}`)
  }
}
