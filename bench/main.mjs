// npm run bench: how fast a backlog is caught up on, beside the loop that everyone writes first. Contenders run in
// turns, each in a process of its own, so that the ratios of a round hold on a machine that isn't quiet.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import amqp from 'amqplib'
import { MongoClient } from 'mongodb'
import { startServices } from '../scripts/services/index.mjs'
import { loadBacklog } from './backlog.mjs'
import { median, printTable, spread } from './figures.mjs'

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    naive: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    memory: { type: 'string', default: '300000' },
  },
})
const [events, naiveEvents, rounds, memoryEvents] = ['events', 'naive', 'rounds', 'memory'].map(name =>
  Number(flags[name]),
)

// Ours alone, also on a server that MONGODB_URI names.
const DATABASE = 'mongo_rabbit_cdc_bench'

const services = await startServices({
  mongo: { oplogSizeMb: 4096, args: ['--wiredTigerCacheSizeGB', '1'] },
  // Nothing consumes: with the small limit that suits tests, 40,000 messages are a memory alarm, and that is measured.
  rabbit: { config: { 'vm_memory_high_watermark.absolute': '4GiB' } },
  onProgress: line => console.error(line),
})
const client = await new MongoClient(services.mongo.uri).connect()
try {
  const largest = Math.max(events, memoryEvents)
  console.error(`loading ${largest} documents of 1 KB`)
  const from = await loadBacklog(client.db(DATABASE).collection('documents'), largest)
  console.log(`node ${process.version}, MongoDB ${services.mongo.version}, ${cpus().length} × ${cpus()[0].model}`)

  const results = { ours: [], naive: [] }
  for (let round = 1; round <= rounds; round++) {
    results.naive.push(await job('naive.mjs', naiveEvents, from))
    results.ours.push(await job('ours.mjs', events, from))
    const ratio = results.ours.at(-1).perSecond / results.naive.at(-1).perSecond
    console.log(`round ${round}: ${ratio.toFixed(1)} times the naive loop`)
  }
  const large = await job('ours.mjs', memoryEvents, from)
  printTable([
    ['naive loop', ...figures(results.naive)],
    ['this library', ...figures(results.ours)],
    [`this library, ${memoryEvents} events`, ...figures([large])],
  ])
  const ratios = results.ours.map((ours, round) => ours.perSecond / results.naive[round].perSecond)
  console.log(`\nratio of events/s by round: median ${median(ratios).toFixed(1)} (${spread(ratios, 1)})`)
  const growth = large.peakRssMb / median(results.ours.map(result => result.peakRssMb))
  console.log(`peak memory at ${memoryEvents} events against ${events}: ${growth.toFixed(2)}`)
} finally {
  await client.db(DATABASE).dropDatabase()
  await client.close()
  await services.stop()
}

function figures(results) {
  const columns = ['perSecond', 'cpuPerThousand', 'peakRssMb']
  const digits = [0, 3, 0]
  return columns.map((column, index) => {
    const values = results.map(result => result[column])
    const shown = median(values).toFixed(digits[index])
    return values.length > 1 ? `${shown} (${spread(values, digits[index])})` : shown
  })
}

/** Runs one contender in a process of its own, into an empty durable queue. */
async function job(script, count, from) {
  const queue = `mongo-rabbit-cdc-bench-${script}`
  await emptyQueue(queue)
  await client.db(DATABASE).collection('checkpoints').deleteMany({})
  const { t, i } = from
  const env = {
    ...process.env,
    MONGODB_URI: services.mongo.uri,
    AMQP_URL: services.rabbit.url,
    QUEUE: queue,
    DATABASE,
    COUNT: String(count),
    FROM: `${t}.${i}`,
  }
  const child = spawn(process.execPath, [new URL(script, import.meta.url).pathname], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', data => {
    output += data
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${script} ended with code ${code}`)
  await emptyQueue(queue)
  return JSON.parse(output)
}

async function emptyQueue(queue) {
  const connection = await amqp.connect(services.rabbit.url)
  const channel = await connection.createChannel()
  await channel.deleteQueue(queue)
  await connection.close()
}
