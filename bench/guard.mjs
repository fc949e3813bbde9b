// npm run bench:guard: whether an event costs more CPU than it did when guard.json was recorded. The whole hot path in
// one process, without servers: events as a server sends them → source → pipeline → documentMessage → frames. Compared
// is the ratio to what the BSON library and `JSON.stringify` need for the same documents, round by round, so that it
// says the same on another machine and on a busy one.
//   --record   writes guard.json; commit it with the change that explains it
//   --planted  measures with a slow-down planted, which has to be found

import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { BSON, ObjectId, Timestamp } from 'mongodb'
import { commandLine } from '../scripts/command-line.mjs'
import { bundle } from '../test/faults/bundle.mjs'
import { median, spread } from './figures.mjs'
import { openSinkhole } from './sinkhole.mjs'
import { MAX_ROUNDS, SLACK, verdictOf } from './verdict.mjs'

const FILE = new URL('guard.json', import.meta.url)
const EVENTS = 1_000
const BATCH = 250
/** So many times the events per round. */
const TURNS = 2
/** Until everything is compiled. */
const WARM_UP = 14

const start = { kind: 'time', clusterTime: { t: 1, i: 1 } }

/** Documents are encoded twice, once of them decoded although nobody has read them. */
const SLOW_DOWN = {
  file: 'src/message/encoding.ts',
  snippet: 'return ejsonBody(body, mode)',
  instead: 'ejsonBody(body, mode); return ejsonBody({ fields: decodedBody(body) }, mode)',
}

const flag = { type: 'boolean', default: false }
const { planted, record } = commandLine(
  'npm run bench:guard [-- --record | --planted]',
  args => parseArgs({ args, options: { planted: flag, record: flag } }).values,
)
const parts = await import(await bundle('../../bench/hot-path', planted ? SLOW_DOWN : undefined))
const recorded = record ? undefined : JSON.parse(readFileSync(FILE, 'utf8')).ratio
const raw = Array.from({ length: EVENTS }, (_, index) => Buffer.from(BSON.serialize(eventAt(index))))

const ratios = []
let verdict
for (let round = -WARM_UP; verdict === undefined; round++) {
  const reference = cpuOf(theirWay)
  const ours = await cpuOf(ourWay)
  if (round < 0) continue
  ratios.push(ours / reference)
  if (!record) verdict = verdictOf(ratios, recorded)
  else if (ratios.length === 2 * MAX_ROUNDS) verdict = 'recorded'
}

const ratio = median(ratios)
console.log(
  `An event costs ${ratio.toFixed(3)} (${spread(ratios, 3)}) of what the BSON library and JSON.stringify need for it;`,
  `recorded: ${recorded ?? 'now'}, limit: × ${SLACK}. ${ratios.length} rounds of ${TURNS * EVENTS} events: ${verdict}`,
)
if (record) {
  writeFileSync(FILE, `${JSON.stringify({ ratio: Number(ratio.toFixed(3)), node: process.version }, null, 2)}\n`)
}
process.exit(verdict === 'slower' ? 1 : 0)

function eventAt(index) {
  const _id = new ObjectId()
  const fullDocument = {
    _id,
    n: index,
    platform: 'medium',
    link: `https://example.com/articles/${index}`,
    author: { name: 'Ann', email: 'ann@example.com' },
    lines: [
      { sku: 'a', price: 1.5 },
      { sku: 'b', price: 2 },
    ],
    content: 'The quick brown fox reads change streams. '.repeat(17),
    at: new Date(1_700_000_000_000 + index),
  }
  return {
    _id: { _data: `8265${index.toString(16).padStart(14, '0')}2B042C0100296E5A1004` },
    operationType: 'insert',
    clusterTime: new Timestamp({ t: 1_700_000_000, i: index }),
    wallTime: new Date(1_700_000_000_000),
    fullDocument,
    ns: { db: 'shop', coll: 'orders' },
    documentKey: { _id },
  }
}

/** Microseconds of CPU, that of the garbage collector included. */
function cpuOf(run) {
  const before = process.cpuUsage()
  const used = () => {
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  const done = run()
  return done instanceof Promise ? done.then(used) : used()
}

function theirWay() {
  let bytes = 0
  for (let turn = 0; turn < TURNS; turn++) {
    for (const event of raw) bytes += Buffer.from(JSON.stringify(BSON.deserialize(event).fullDocument)).length
  }
  return bytes
}

async function ourWay() {
  const { connection, written } = openSinkhole()
  const pipeline = parts.createCdcPipeline({
    name: 'guard',
    source: { open: batches, startPosition: async () => start },
    transform: parts.documentMessage(),
    sink: new parts.RabbitPublisher({ connection, exchange: { name: 'cdc' } }),
    checkpointStore: parts.memoryCheckpointStore(),
  })
  await pipeline.run()
  if (written() < TURNS * EVENTS * 800) throw new Error(`Only ${written()} bytes were written`)
}

async function* batches() {
  const decoder = new parts.EventDecoder(BSON, true)
  for (let from = 0; from < TURNS * EVENTS; from += BATCH) {
    const events = raw.slice(from % EVENTS, (from % EVENTS) + BATCH)
    const decoded = events.map(bytes => ({ event: decoder.decode(bytes), size: bytes.length }))
    yield parts.recordsOf({ events: decoded, closed: false }, start, { deployment: 'guard', watch: 'all' })
  }
}
