// Commands to one node, each on a connection of its own and with short time-outs: nodes get killed and frozen here.
import { MongoClient } from 'mongodb'

/**
 * @param {string} uri  direct
 * @param {import('mongodb').Document} command
 * @param {{ auth?: { username: string, password: string } | undefined, timeoutMs?: number }} [options]
 * @returns {Promise<import('mongodb').Document>}
 */
export async function adminCommand(uri, command, { auth, timeoutMs = 4_000 } = {}) {
  const client = new MongoClient(uri, {
    serverSelectionTimeoutMS: timeoutMs,
    connectTimeoutMS: timeoutMs,
    socketTimeoutMS: timeoutMs,
    ...(auth && { auth, authSource: 'admin' }),
  })
  try {
    return await client.db('admin').command(command)
  } finally {
    await client.close().catch(() => {})
  }
}

/**
 * @param {string} uri  direct
 * @returns {Promise<import('mongodb').Document | undefined>} the node's `hello`, nothing where it doesn't answer
 */
export async function hello(uri) {
  try {
    return await adminCommand(uri, { hello: 1 }, { timeoutMs: 1_000 })
  } catch {
    return undefined
  }
}
