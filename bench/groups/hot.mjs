// W2: updates whose keys follow Zipf's law, one document with a tenth of them, three transforms. Order per document lets
// updates of one document wait for each other; how long do the others wait with them?

import { hotKeys, hotUpdate, insertKeys, loadHotUpdates, loadInserts } from '../backlog.mjs'
import { median, quantile, ratios } from '../figures.mjs'
import { inTurns, toAndFro } from '../jobs.mjs'
import { probe, writesFor } from '../probe.mjs'
import { printFigures, printGoals, printLatencies } from '../report.mjs'

export const title = 'Workload W2: a hot document, three transforms'

const QUORUM = { queueType: 'quorum' }
const SECONDS = 10
const ORDERS = { hot: "`ordering: 'document'`", 'hot-pipelined': "`ordering: 'pipelined'`" }

export async function run(bench) {
  const contenders = await contendersOf(bench)
  const results = await inTurns(bench, contenders)
  printFigures(contenders, results)
  const cpu = results.hot.map(({ cpuPerThousand }) => cpuPerThousand)
  printGoals([
    { what: 'W2 for one of W, three transforms, classic queue', values: ratios(results.hot, results.three) },
    { what: 'W2 for one of W, quorum queue', values: ratios(results.hotQuorum, results.threeQuorum) },
    { what: '`pipelined` for one of `document`, classic queue', values: ratios(results.pipelined, results.hot) },
    { what: '`pipelined`, quorum queue', values: ratios(results.pipelinedQuorum, results.hotQuorum) },
    { what: 'CPU s per 1,000 events, W2, `document`', values: cpu, digits: 3, atMost: 0.06, stretch: 0.05 },
  ])
  await waits(bench, Math.round(median(results.hot.map(({ perSecond }) => perSecond)) / 2))
}

async function contendersOf({ database, events, counting }) {
  const w = {
    script: 'contenders/ours.mjs',
    count: events,
    backlog: await loadInserts(database.collection('w'), events),
  }
  const w2 = { ...w, backlog: await loadHotUpdates(database.collection('w2'), events), mode: 'hot' }
  const three = { ...w, mode: 'three' }
  const pipelined = { ...w2, mode: 'hot-pipelined' }
  return {
    three: { ...three, label: 'W, three transforms, classic queue' },
    hot: { ...w2, label: 'W2, `document`, classic queue' },
    pipelined: { ...pipelined, label: 'W2, `pipelined`, classic queue' },
    threeQuorum: { ...three, ...QUORUM, label: 'W, three transforms, quorum queue' },
    hotQuorum: { ...w2, ...QUORUM, label: 'W2, `document`, quorum queue' },
    pipelinedQuorum: { ...pipelined, ...QUORUM, label: 'W2, `pipelined`, quorum queue' },
    hotCounted: { ...w2, url: counting.url, label: 'W2, `document`, counting broker' },
    pipelinedCounted: { ...pipelined, url: counting.url, label: 'W2, `pipelined`, counting broker' },
  }
}

/** The latency of the hot document and of all others, at this many updates per second. */
async function waits(bench, rate) {
  const labels = {}
  const results = {}
  for (let round = 1; round <= bench.rounds; round++) {
    for (const [mode, order] of toAndFro(round, Object.entries(ORDERS))) {
      for (const [whose, latencies] of Object.entries(await once(bench, mode, rate))) {
        const key = `${mode} ${whose}`
        labels[key] = `${whose}, ${order}, ${rate}/s`
        const figures = { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
        results[key] = [...(results[key] ?? []), figures]
      }
    }
    console.error(`round ${round} of ${bench.rounds}, latencies`)
  }
  console.log('\nLatency after the update’s own acknowledgement, half of the capacity of W2:\n')
  printLatencies(labels, results)
  const [others, free] = ['hot', 'hot-pipelined'].map(mode => results[`${mode} the others`])
  printGoals([{ what: 'p99 of the others, `document` for one of `pipelined`', values: ratios(others, free, 'p99') }])
}

async function once({ database, endless, amqpUrl }, mode, rate) {
  const collection = database.collection('probe')
  await insertKeys(collection)
  const counted = rate * SECONDS
  const keys = Array.from({ length: writesFor(counted, rate) }, hotKeys())
  const write = (first, behindLast) =>
    collection.bulkWrite(keys.slice(first, behindLast).map((key, index) => hotUpdate(first + index, key)))
  const contender = { script: 'contenders/ours.mjs', mode }
  const latencies = await probe({ endless, amqpUrl, collection, contender, rate, counted, write })
  const measured = keys.slice(-counted)
  return {
    'the hot document': latencies.filter((_, n) => measured[n] === 0),
    'the others': latencies.filter((_, n) => measured[n] !== 0),
  }
}
