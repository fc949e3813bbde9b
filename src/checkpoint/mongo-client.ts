import type { MongoClient } from 'mongodb'
import { CheckpointError, OptionsError } from '../errors.js'
import { closeOwnClient, connectedOnce, openOwnClient } from '../mongo-client.js'
import { assertMethods, assertText, fail } from '../options.js'

/** The client that was passed in, or one of our own from the first use on. A closure: no object holds the password. */
export interface ClientSource {
  client(): Promise<MongoClient>
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
    return { client: connectedOnce(async () => client), close: async () => {} }
  }
  if (!/^mongodb(\+srv)?:\/\//.test(assertText('uri', uri ?? '')))
    fail('uri', 'a mongodb:// or mongodb+srv:// URI', uri)
  return ownClient(uri ?? '')
}

function ownClient(uri: string): ClientSource {
  let opening: Promise<MongoClient> | undefined
  let closing: Promise<void> | undefined
  return {
    client: connectedOnce(async () => {
      if (closing) throw new CheckpointError('CDC_CHECKPOINT_FAILED', 'The checkpoint store is closed')
      opening ??= openOwnClient(uri)
      return opening
    }),
    close() {
      closing ??= opening === undefined ? Promise.resolve() : closeOwnClient(opening)
      return closing
    },
  }
}
