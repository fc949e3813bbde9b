// Debezium Server, where it is asked for and can run: fetched from Maven Central into the cache, and brought to a
// position from which every run starts.

import { createWriteStream, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { cacheDirectory, scratchDirectory } from '../scripts/services/cache.mjs'
import { run } from '../scripts/services/run.mjs'

const VERSION = '3.0.0.Final'
const ARCHIVE = `https://repo1.maven.org/maven2/io/debezium/debezium-server-dist/${VERSION}/debezium-server-dist-${VERSION}.tar.gz`
const JAVA = 21
const UNPACK_MS = 300_000

/** Resolves to the folder of the server, or to undefined after saying, in the report, why it isn't measured. */
export async function fetchDebezium() {
  try {
    await assertJava()
    return await fetched()
  } catch (error) {
    console.log(`Debezium Server ${VERSION} isn't measured: ${error.message}\n`)
    return undefined
  }
}

async function assertJava() {
  if (process.platform !== 'linux') throw new Error('its CPU and memory are read from Linux’s /proc')
  const { code, stderr } = await run('java', ['-version'])
  if (code !== 0) throw new Error(`it needs Java ${JAVA}, and there is no \`java\` on PATH`)
  const [, found] = /version "(\d+)/.exec(stderr) ?? []
  if (Number(found) < JAVA) throw new Error(`it needs Java ${JAVA}, and \`java\` is version ${found}`)
}

async function fetched() {
  const parent = join(cacheDirectory(), 'bench')
  const target = join(parent, `debezium-server-${VERSION}`)
  if (existsSync(target)) return target
  console.error(`fetching Debezium Server ${VERSION}, 450 MB, into ${target}`)
  const scratch = scratchDirectory(parent)
  try {
    const response = await fetch(ARCHIVE)
    if (!response.ok) throw new Error(`${ARCHIVE} answered ${response.status}`)
    const archive = join(scratch, 'server.tar.gz')
    await pipeline(Readable.fromWeb(response.body), createWriteStream(archive))
    const folder = join(scratch, 'server')
    await mkdir(folder)
    const unpacking = ['-xzf', archive, '-C', folder, '--strip-components=1']
    const { code, stderr } = await run('tar', unpacking, { timeoutMs: UNPACK_MS })
    if (code !== 0) throw new Error(`its archive can't be unpacked: ${stderr.trim()}`)
    await rename(folder, target) // whole, or not at all
    return target
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/**
 * The contenders, for a backlog that is loaded after this: Debezium has no option to start at a time, so it runs once on
 * the empty collection, and each run goes on at the position that it has saved then.
 */
export async function debeziumContenders({ run: measure, database, events }, collection) {
  const server = await fetchDebezium()
  if (server === undefined) return () => ({})
  const kept = mkdtempSync(join(tmpdir(), 'debezium-offsets-'))
  process.once('exit', () => rmSync(kept, { recursive: true, force: true }))
  const offsets = join(kept, 'offsets.dat')
  const common = { script: 'contenders/debezium.mjs', server, offsets }
  await database.createCollection(collection)
  await measure({ ...common, backlog: { collection }, prime: true, count: 1, label: 'Debezium Server' })
  const quorum = { queueType: 'quorum' }
  return backlog => ({
    debezium: { ...common, backlog, count: events, label: 'Debezium Server, classic queue' },
    debeziumQuorum: { ...common, ...quorum, backlog, count: events, label: 'Debezium Server, quorum queue' },
    debeziumTuned: { ...common, tuned: true, backlog, count: events, label: 'Debezium Server, tuned, classic queue' },
  })
}
