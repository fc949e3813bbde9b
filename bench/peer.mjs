// The npm package that is compared with: fetched when it is needed, so that nobody who works on the library has its
// dependencies.

import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory } from '../scripts/services/cache.mjs'
import { run } from '../scripts/services/run.mjs'
import { PEER, versionOf } from './versions.mjs'

/** Resolves to the folder where it can be required, or to undefined after saying why not. */
export async function fetchPeer() {
  const folder = join(cacheDirectory(), 'bench', `${PEER.name}-${PEER.version}`)
  if (existsSync(join(folder, 'node_modules', PEER.name, 'package.json'))) return folder
  console.error(`fetching ${PEER.name} ${PEER.version} into ${folder}`)
  await mkdir(folder, { recursive: true })
  // The same driver as everybody here. Scripts of packages aren't run.
  const packages = [`${PEER.name}@${PEER.version}`, `mongodb@${versionOf('mongodb')}`]
  const options = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund']
  const { code, stderr } = await run('npm', ['install', ...options, ...packages], { cwd: folder, timeoutMs: 300_000 })
  if (code === 0) return folder
  console.error(`${PEER.name} can't be had, and isn't measured: ${stderr.trim().split('\n').at(-1)}`)
  return undefined
}
