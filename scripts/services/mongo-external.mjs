// A MongoDB that somebody else runs (`MONGODB_URI`): used, never killed or frozen.
import { MongoClient } from 'mongodb'
import { messageOf } from './steps.mjs'

/**
 * @param {string} uri
 * @returns {Promise<import('./index.mjs').MongoService>}
 */
export async function externalMongo(uri) {
  const first = await ask(uri)
  if (!first.setName && first.msg !== 'isdbgrid') {
    throw new Error('MONGODB_URI: expected a replica set (change streams need one), got a standalone server')
  }
  const hosts = /** @type {string[]} */ (first.hosts ?? [])
  const nodes = hosts.map(host => externalNode(host))
  return {
    uri,
    adminUri: uri,
    version: first.version,
    external: true,
    nodes,
    async primary() {
      const { primary } = await ask(uri)
      return nodes.find(node => node.uri.includes(`//${primary}/`)) ?? externalNode(primary)
    },
    stepDown: () => refuse('stepDown'),
    stop: async () => {},
  }
}

/** @param {string} uri */
async function ask(uri) {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 10_000 })
  try {
    const admin = client.db('admin')
    const { version } = await admin.command({ buildInfo: 1 })
    const answer = await admin.command({ hello: 1 })
    return { ...answer, version }
  } catch (error) {
    throw new Error(`MONGODB_URI is set, but that server can't be used: ${messageOf(error)}`)
  } finally {
    await client.close()
  }
}

/**
 * @param {string} host
 * @returns {import('./index.mjs').MongoNode}
 */
function externalNode(host) {
  return {
    uri: `mongodb://${host}/?directConnection=true`,
    port: Number(host.split(':').at(-1)),
    pid: 0,
    running: true,
    kill: () => refuse('kill'),
    stop: () => refuse('stop'),
    restart: () => refuse('restart'),
    pause: () => throwRefusal('pause'),
    resume: () => throwRefusal('resume'),
  }
}

/**
 * @param {string} method
 * @returns {never}
 */
function throwRefusal(method) {
  throw new Error(`\`${method}()\` works on servers of our own only: MONGODB_URI is set, unset it`)
}

/**
 * @param {string} method
 * @returns {Promise<never>}
 */
async function refuse(method) {
  return throwRefusal(method)
}
