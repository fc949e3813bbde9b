import type { MongoClient } from 'mongodb'
import { CheckpointError, OptionsError } from '../errors.js'
import { closeOwnClient, connectedOnce, openOwnClient } from '../mongo-client.js'
import { assertMethods, assertText, fail } from '../options.js'
import { isRefusal } from './errors.js'

/** The client that was passed in, or one of our own from the first use on. A closure: no object holds the password. */
export interface ClientSource {
  /** Calls it with the client, connected. Rejects with what it rejects with. */
  use<T>(call: (client: MongoClient) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** @throws OptionsError unless there is exactly one of `client` and `uri` */
export function openClient({ client, uri }: { client?: MongoClient; uri?: string }): ClientSource {
  if ((client === undefined) === (uri === undefined)) {
    const got = uri === undefined ? 'none' : 'both'
    const text = `Expected exactly one of \`client\` and \`uri\` for mongoCheckpointStore, got ${got}`
    throw new OptionsError('CDC_OPTION_INVALID', text)
  }
  if (client !== undefined) {
    assertMethods('client', client, ['db', 'close'])
    const connected = connectedOnce(async () => client)
    return { use: async call => await call(await connected()), close: async () => {} }
  }
  if (!/^mongodb(\+srv)?:\/\//.test(assertText('uri', uri ?? '')))
    fail('uri', 'a mongodb:// or mongodb+srv:// URI', uri)
  return ownClient(uri ?? '')
}

/**
 * Connections of a user that was dropped and made again stay nameless for ever: only new ones log in. So a client that
 * was refused is closed in the background, and the next call, which is a retry, makes another.
 */
function ownClient(uri: string): ClientSource {
  let opening: Promise<MongoClient> | undefined
  let closing: Promise<unknown> | undefined
  /** The clients that were refused, each until it is closed. */
  const leaving = new Set<Promise<void>>()
  const connected = connectedOnce(async () => {
    if (closing) throw new CheckpointError('CDC_CHECKPOINT_FAILED', 'The checkpoint store is closed')
    opening ??= openOwnClient(uri)
    return opening
  })

  const leave = (refused: Promise<MongoClient>): void => {
    const left = closeOwnClient(refused).finally(() => leaving.delete(left))
    leaving.add(left)
  }

  return {
    async use(call) {
      const client = connected()
      const used = opening // of calls that are refused at the same time the first one replaces it
      try {
        return await call(await client)
      } catch (error) {
        if (used !== undefined && used === opening && !closing && isRefusal(error)) {
          opening = undefined
          leave(used)
        }
        throw error
      }
    },
    async close() {
      if (!closing && opening !== undefined) leave(opening)
      closing ??= Promise.all(leaving)
      await closing
    },
  }
}
