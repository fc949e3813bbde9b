// npm run bench: what catching up costs, beside the loops that people write, other programs, and what the servers give
// to anybody. Method, groups and options: bench/README.md.

import { MongoClient } from 'mongodb'
import { startServices } from '../scripts/services/index.mjs'
import { readFlags } from './flags.mjs'
import { countingBroker, DATABASE, runner } from './jobs.mjs'
import { printMachine } from './machine.mjs'

const flags = readFlags()
const groups = await Promise.all(flags.only.map(name => import(`./groups/${name}.mjs`)))

const services = await startServices({
  mongo: { oplogSizeMb: 4096, args: ['--wiredTigerCacheSizeGB', '1'] },
  // Nothing consumes: with the small limit that suits tests, 40,000 messages are a memory alarm, and that is measured.
  rabbit: { config: { 'vm_memory_high_watermark.absolute': '4GiB' } },
  onProgress: line => console.error(line),
})
const client = await new MongoClient(services.mongo.uri).connect()
const counting = await countingBroker()
try {
  await printMachine(services, flags)
  const servers = { mongoUri: services.mongo.uri, amqpUrl: services.rabbit.url, mongoPid: services.mongo.nodes[0]?.pid }
  const bench = { ...flags, ...servers, client, counting, database: client.db(DATABASE), ...runner(client, servers) }
  for (const group of groups) {
    const started = performance.now()
    console.log(`\n## ${group.title}\n`)
    await group.run(bench)
    await bench.database.dropDatabase() // entries and files of one group are no burden to the next
    console.error(`${group.title}: ${((performance.now() - started) / 60_000).toFixed(1)} min`)
  }
} finally {
  counting.stop()
  await client.db(DATABASE).dropDatabase()
  await client.close()
  await services.stop()
}
