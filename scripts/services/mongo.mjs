// A private replica set of one or three nodes.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { spacelessTemporaryDirectory } from './cache.mjs'
import { findMongod } from './find-mongod.mjs'
import { adminCommand, hello } from './mongo-admin.mjs'
import { externalMongo } from './mongo-external.mjs'
import { createMongoNode, SET_NAME } from './mongo-node.mjs'
import { freePorts } from './ports.mjs'
import { supervisedDirectory } from './supervise.mjs'
import { until } from './wait.mjs'

/** @typedef {import('./mongo-node.mjs').Node} Node */

/** Elections within about two seconds; a primary that was killed or frozen isn't waited for. */
const QUICK_ELECTIONS = {
  electionTimeoutMillis: 1_500,
  heartbeatIntervalMillis: 300,
  heartbeatTimeoutSecs: 1,
  catchUpTimeoutMillis: 0,
}

/**
 * @param {import('./index.mjs').MongoOptions} [options]
 * @returns {Promise<import('./index.mjs').MongoService>}
 */
export async function startMongo(options = {}) {
  const { nodes = 1, onProgress = () => {} } = options
  if (nodes !== 1 && nodes !== 3) throw new Error(`\`nodes\`: expected 1 or 3, got ${nodes}`)
  const found = await findMongod({ onProgress })
  if ('uri' in found) return externalMongo(found.uri)
  for (let attempt = 1; ; attempt++) {
    try {
      return await startPrivately(found, options)
    } catch (error) {
      // Somebody took the port between our look and mongod's.
      if (attempt === 3 || !/address already in use/i.test(String(error))) throw error
    }
  }
}

/**
 * @param {import('./mongod-libraries.mjs').Mongod} mongod
 * @param {import('./index.mjs').MongoOptions} options
 * @returns {Promise<import('./index.mjs').MongoService>}
 */
async function startPrivately(mongod, { nodes: count = 1, auth = false, onProgress = () => {}, ...rest }) {
  const directory = await supervisedDirectory(spacelessTemporaryDirectory(), 'cdc-mongo')
  const args = serverArguments(mongod.version, rest)
  const key = auth ? randomBytes(96).toString('base64') : undefined
  const credentials = auth ? { username: 'admin', password: randomBytes(12).toString('hex') } : undefined
  const nodes = (await freePorts(count)).map((port, index) =>
    createMongoNode({ mongod, directory: join(directory.path, `node-${index}`), port, args, key, alone: count === 1 }),
  )
  /** @type {Promise<void> | undefined} */
  let stopped
  const stop = () => {
    stopped ??= Promise.all(nodes.map(node => node.end())).then(() => directory.remove())
    return stopped
  }
  try {
    await Promise.all(nodes.map(node => node.start()))
    await initiate(nodes)
    if (credentials) await createAdmin(nodes, credentials)
  } catch (error) {
    await stop()
    throw error
  }
  const hosts = nodes.map(node => `127.0.0.1:${node.port}`).join(',')
  onProgress(`MongoDB: ready at ${hosts}`)
  return {
    uri: `mongodb://${hosts}/?replicaSet=${SET_NAME}`,
    adminUri: credentials
      ? `mongodb://${credentials.username}:${credentials.password}@${hosts}/?replicaSet=${SET_NAME}&authSource=admin`
      : undefined,
    version: mongod.version,
    external: false,
    nodes,
    primary: () => primaryOf(nodes),
    stepDown: () => stepDown(nodes, credentials),
    stop,
  }
}

/**
 * @param {string} version
 * @param {{ oplogSizeMb?: number, testCommands?: boolean, args?: string[] }} options
 */
function serverArguments(version, { oplogSizeMb = 64, testCommands = true, args = [] }) {
  const parameters = ['diagnosticDataCollectionEnabled=false']
  if (testCommands) parameters.push('enableTestCommands=1')
  // A member waits 15 s by default, at its SIGTERM, for drivers to go elsewhere.
  if (Number.parseInt(version, 10) >= 5) parameters.push('shutdownTimeoutMillisForSignaledShutdown=100')
  const defaults = { '--oplogSize': String(oplogSizeMb), '--wiredTigerCacheSizeGB': '0.25' }
  // mongod refuses a flag that stands there twice.
  const own = Object.entries(defaults).filter(([flag]) => !args.some(arg => arg.split('=')[0] === flag))
  return [...own.flat(), ...parameters.flatMap(parameter => ['--setParameter', parameter]), ...args]
}

/** @param {Node[]} nodes */
async function initiate(nodes) {
  const [first] = /** @type {[Node]} */ (nodes)
  const members = nodes.map((node, index) => ({ _id: index, host: `127.0.0.1:${node.port}` }))
  const config = { _id: SET_NAME, members, settings: QUICK_ELECTIONS }
  await adminCommand(first.uri, { replSetInitiate: config }, { timeoutMs: 30_000 })
  await primaryOf(nodes)
  // Only now may a test kill any of them.
  await Promise.all(
    nodes.map(node =>
      until(
        async () => {
          const answer = await hello(node.uri)
          return answer?.isWritablePrimary || answer?.secondary
        },
        { timeoutMs: 60_000, what: `mongod on port ${node.port} to join the replica set` },
      ),
    ),
  )
}

/**
 * Through the localhost exception: as long as there's no user, a client on this machine may make the first one.
 * @param {Node[]} nodes
 * @param {{ username: string, password: string }} credentials
 */
async function createAdmin(nodes, { username, password }) {
  const { uri } = await primaryOf(nodes)
  const writeConcern = { w: 'majority', wtimeout: 20_000 }
  const command = { createUser: username, pwd: password, roles: ['root'], writeConcern }
  await adminCommand(uri, command, { timeoutMs: 30_000 })
}

/**
 * Asks all nodes that can answer until exactly one says that it is: a primary that was frozen believes it still for a
 * moment.
 * @param {Node[]} nodes
 * @param {(node: Node) => boolean} [accept]
 * @returns {Promise<Node>}
 */
function primaryOf(nodes, accept = () => true) {
  return until(
    async () => {
      const able = nodes.filter(node => node.running && !node.paused)
      const answers = await Promise.all(able.map(node => hello(node.uri)))
      const [primary, ...others] = able.filter((_, index) => answers[index]?.isWritablePrimary)
      return primary && others.length === 0 && accept(primary) ? primary : undefined
    },
    { timeoutMs: 60_000, what: 'the replica set to have a primary' },
  )
}

/**
 * @param {Node[]} nodes
 * @param {{ username: string, password: string } | undefined} auth
 * @returns {Promise<Node>}
 */
async function stepDown(nodes, auth) {
  const alone = nodes.length === 1
  const command = alone ? { replSetStepDown: 1, force: true } : { replSetStepDown: 10, secondaryCatchUpPeriodSecs: 5 }
  const before = await until(
    async () => {
      const primary = await primaryOf(nodes)
      try {
        await adminCommand(primary.uri, command, { auth, timeoutMs: 15_000 })
        return primary
      } catch (error) {
        // No secondary had caught up, or another election was faster than us: once more.
        if (['ExceededTimeLimit', 'NotWritablePrimary'].includes(Object(error).codeName)) return undefined
        throw error
      }
    },
    { timeoutMs: 60_000, what: 'the primary to step down' },
  )
  return primaryOf(nodes, node => alone || node !== before)
}
