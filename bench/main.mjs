// npm run bench: how fast a backlog is caught up on, beside the loop that everyone writes first, and beside what the
// broker takes from anybody. Method: bench/README.md.

import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { MongoClient } from 'mongodb'
import { startServices } from '../scripts/services/index.mjs'
import { loadBacklog } from './backlog.mjs'
import { median, printRatio, printTable, row } from './figures.mjs'
import { countingBroker, DATABASE, runner } from './jobs.mjs'

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    naive: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    memory: { type: 'string', default: '300000' },
  },
})
const [events, naiveEvents, rounds, memoryEvents] = ['events', 'naive', 'rounds', 'memory'].map(name =>
  Number(flags[name]),
)

const services = await startServices({
  mongo: { oplogSizeMb: 4096, args: ['--wiredTigerCacheSizeGB', '1'] },
  // Nothing consumes: with the small limit that suits tests, 40,000 messages are a memory alarm, and that is measured.
  rabbit: { config: { 'vm_memory_high_watermark.absolute': '4GiB' } },
  onProgress: line => console.error(line),
})
const client = await new MongoClient(services.mongo.uri).connect()
const counting = await countingBroker()
try {
  const largest = Math.max(events, memoryEvents)
  console.error(`loading ${largest} documents of 1 KB`)
  const from = await loadBacklog(client.db(DATABASE).collection('documents'), largest)
  const run = runner({ client, mongoUri: services.mongo.uri, amqpUrl: services.rabbit.url, from })
  console.log(`node ${process.version}, MongoDB ${services.mongo.version}, ${cpus().length} × ${cpus()[0].model}`)

  const quorum = { queueType: 'quorum' }
  const contenders = {
    naive: () => run('naive.mjs', naiveEvents),
    ours: () => run('ours.mjs', events),
    alone: () => run('broker-alone.mjs', events),
    oursQuorum: () => run('ours.mjs', events, quorum),
    aloneQuorum: () => run('broker-alone.mjs', events, quorum),
    counted: () => run('ours.mjs', events, { url: counting.url }),
  }
  const results = Object.fromEntries(Object.keys(contenders).map(name => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [name, contender] of Object.entries(contenders)) results[name].push(await contender())
    console.error(`round ${round} of ${rounds}`)
  }
  const large = await run('ours.mjs', memoryEvents)

  printTable([
    row('naive loop', results.naive),
    row('this library, classic queue', results.ours),
    row('the broker alone, classic queue', results.alone),
    row('this library, quorum queue', results.oursQuorum),
    row('the broker alone, quorum queue', results.aloneQuorum),
    row('this library, counting broker', results.counted),
    row(`this library, ${memoryEvents} events`, [large]),
  ])
  console.log('\nevents/s, by round')
  printRatio('this library for one of the naive loop', results.ours, results.naive, 1)
  printRatio('this library for one of the broker alone, classic', results.ours, results.alone, 2)
  printRatio('this library for one of the broker alone, quorum', results.oursQuorum, results.aloneQuorum, 2)
  const growth = large.peakRssMb / median(results.ours.map(result => result.peakRssMb))
  console.log(`peak memory at ${memoryEvents} events against ${events}: ${growth.toFixed(2)}`)
} finally {
  counting.stop()
  await client.db(DATABASE).dropDatabase()
  await client.close()
  await services.stop()
}
