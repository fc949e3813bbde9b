// Does this mongod run here? A bare Debian lacks libcurl: then it's fetched into the cache, for mongod alone.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.mjs'
import { isSet } from './steps.mjs'

const FETCH_LIBRARIES = fileURLToPath(new URL('fetch-libraries.sh', import.meta.url))

/** @type {Record<string, string>} */
const PACKAGE_OF = {
  'libcurl.so.4': 'libcurl4',
  'libssl.so.3': 'libssl3',
  'libcrypto.so.3': 'libssl3',
  'liblzma.so.5': 'liblzma5',
  'libgcc_s.so.1': 'libgcc-s1',
}

/**
 * @typedef {object} Mongod
 * @property {string} binary
 * @property {string} version  For instance `6.0.5`.
 * @property {NodeJS.ProcessEnv} env  To run it with.
 */

/**
 * @param {string} binary
 * @param {{ libraries: string, env: NodeJS.ProcessEnv, onProgress: (line: string) => void }} options  `libraries` is
 *   the folder for what has to be fetched.
 * @returns {Promise<Mongod>}
 */
export async function runnableMongod(binary, { libraries, env, onProgress }) {
  const first = await probe(binary, env)
  if ('version' in first) return first
  if (first.missing.length === 0) throw new Error(`${binary} doesn't run: ${first.said}`)
  const packages = [...new Set(first.missing.map(name => PACKAGE_OF[name]).filter(name => name !== undefined))]
  if (packages.length > 0 && !existsSync(libraries) && !isSet(env.CDC_SERVICES_OFFLINE)) {
    onProgress(`MongoDB: fetching ${first.missing.join(', ')} for mongod`)
    // Its outcome shows in the second probe.
    await run('sh', [FETCH_LIBRARIES, libraries, ...packages], { env, timeoutMs: 120_000 })
  }
  const second = await probe(binary, withLibraries(env, libraries))
  if ('version' in second) return second
  const wanted = second.missing.length > 0 ? second.missing : first.missing
  const install = packages.length > 0 ? `: apt-get install -y --no-install-recommends ${packages.join(' ')}` : ''
  throw new Error(`mongod needs ${wanted.join(', ')}${install}`)
}

/**
 * @param {string} binary
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Mongod | { missing: string[], said: string }>}
 */
async function probe(binary, env) {
  const asked = await run(binary, ['--version'], { env, timeoutMs: 15_000 })
  const version = /db version v(\S+)/.exec(asked.stdout)?.[1]
  if (asked.code === 0 && version) return { binary, version, env }
  const said = asked.stderr.trim() || `it ended with ${asked.code} and without its version`
  const missing = new Set([...said.matchAll(/loading shared libraries: (\S+?):/g)].map(([, name = '']) => name))
  if (missing.size > 0) {
    // The loader names only the first one that it misses.
    const { stdout } = await run('ldd', [binary], { env, timeoutMs: 15_000 })
    for (const [, name = ''] of stdout.matchAll(/^\s*(\S+) => not found/gm)) missing.add(name)
  }
  return { missing: [...missing], said }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {string} libraries
 * @returns {NodeJS.ProcessEnv}
 */
function withLibraries(env, libraries) {
  // Both: some packages unpack to /lib, not to /usr/lib.
  const folders = ['usr/lib', 'lib'].flatMap(part => {
    const folder = join(libraries, part)
    if (!existsSync(folder)) return []
    return readdirSync(folder)
      .filter(name => name.includes('-linux-gnu'))
      .map(name => join(folder, name))
  })
  const inherited = env.LD_LIBRARY_PATH ? [env.LD_LIBRARY_PATH] : []
  return { ...env, LD_LIBRARY_PATH: [...folders, ...inherited].join(':') }
}
