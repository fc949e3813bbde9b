// Where downloaded servers live, and how a file gets there without a reader ever seeing half of it.
import { createHash } from 'node:crypto'
import { chmodSync, createReadStream, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const SCRATCH_PREFIX = '.part-'
const HOUR_MS = 3_600_000

/**
 * The cache folder: `CDC_SERVICES_CACHE`, else `mongo-rabbit-cdc` in the user's cache folder.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string}
 */
export function cacheDirectory(env = process.env) {
  if (env.CDC_SERVICES_CACHE) return resolve(env.CDC_SERVICES_CACHE)
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mongo-rabbit-cdc')
}

/**
 * The same folder for RabbitMQ, whose start scripts break on white space in their own path: then a private folder
 * (mode 0700, checked to be ours) in the temporary directory, with a name derived from the cache path.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ directory: string, create: () => void }}
 */
export function spacelessCacheDirectory(env = process.env) {
  const cache = cacheDirectory(env)
  if (!/\s/.test(cache)) return { directory: cache, create: () => mkdirSync(cache, { recursive: true }) }
  const hash = createHash('sha256').update(cache).digest('hex').slice(0, 12)
  const directory = join(spacelessTemporaryDirectory(), `mongo-rabbit-cdc-${hash}`)
  return { directory, create: () => createPrivately(directory) }
}

/** @returns {string} the temporary directory, or `/tmp` where its path has white space */
export function spacelessTemporaryDirectory() {
  return /\s/.test(tmpdir()) ? '/tmp' : tmpdir()
}

/** @param {string} directory */
function createPrivately(directory) {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  // A guessable name in a shared folder: somebody else's folder or link there would let them run code as us.
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${directory} exists and isn't ours: set CDC_SERVICES_CACHE to a path without white space`)
  }
  chmodSync(directory, 0o700)
}

/**
 * A fresh scratch folder inside `parent`, on the same file system, so that a rename out of it is atomic.
 * Folders that a killed run left there are removed after an hour.
 * @param {string} parent
 * @returns {string}
 */
export function scratchDirectory(parent) {
  mkdirSync(parent, { recursive: true })
  for (const name of readdirSync(parent)) {
    const path = join(parent, name)
    if (name.startsWith(SCRATCH_PREFIX) && modifiedAgo(path) > HOUR_MS) rmSync(path, { recursive: true, force: true })
  }
  const scratch = join(parent, `${SCRATCH_PREFIX}${process.pid}-${Math.random().toString(36).slice(2, 8)}`)
  mkdirSync(scratch)
  return scratch
}

/** @param {string} path */
function modifiedAgo(path) {
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
}

/**
 * @param {string} file
 * @returns {Promise<string>} in hex
 */
export async function sha256(file) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}
