// How soon a change arrives, counted from the acknowledgement of its own insert.

import { article, loadInserts } from '../backlog.mjs'
import { median, quantile, ratios } from '../figures.mjs'
import { toAndFro } from '../jobs.mjs'
import { probe } from '../probe.mjs'
import { printGoals, printLatencies } from '../report.mjs'

export const title = 'Latency after the insert’s own acknowledgement, classic queue'

const STEADY = 200
/** Of a run at half capacity, its warm-up not counted. */
const SECONDS = 10

export async function run(bench) {
  const half = Math.max(STEADY, Math.round((bench.capacity ?? (await capacityOf(bench))) / 2))
  const rates = { steady: [STEADY, bench.inserts], half: [half, half * SECONDS] }
  const results = {}
  for (let round = 1; round <= bench.rounds; round++) {
    for (const [at, [rate, counted]] of Object.entries(rates)) {
      for (const name of toAndFro(round, ['ours', 'bare-loop'])) {
        const latencies = await once(bench, name, rate, counted)
        const figures = { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
        console.error(`round ${round} of ${bench.rounds}, ${name} at ${rate}/s: ${figures.p50.toFixed(1)} ms`)
        const key = `${name} ${at}`
        results[key] = [...(results[key] ?? []), figures]
      }
    }
  }
  print(results, half)
}

function once({ database, endless, amqpUrl }, name, rate, counted) {
  const collection = database.collection('probe')
  const contender = { script: `contenders/${name}.mjs` }
  const write = (first, behindLast) =>
    collection.insertMany(Array.from({ length: behindLast - first }, (_, index) => article(first + index)))
  return probe({ endless, amqpUrl, collection, contender, rate, counted, write })
}

/** Of this library, events per second, where the group that measures it hasn't run. */
async function capacityOf({ database, events, run }) {
  const backlog = await loadInserts(database.collection('documents'), events)
  const rates = []
  for (let time = 0; time < 3; time++) {
    rates.push(await run({ script: 'contenders/ours.mjs', backlog, count: events, label: 'capacity' }))
  }
  return median(rates.map(({ perSecond }) => perSecond))
}

function print(results, half) {
  const labels = {
    'ours steady': `**this library**, ${STEADY}/s`,
    'bare-loop steady': `bare loop, driver and amqplib, ${STEADY}/s`,
    'ours half': `**this library**, half capacity, ${half}/s`,
    'bare-loop half': `bare loop, ${half}/s`,
  }
  printLatencies(labels, results)
  const of = figure => ratios(results['ours steady'], results['bare-loop steady'], figure)
  const p99 = results['ours half'].map(figures => figures.p99)
  printGoals([
    { what: `p50 for one of the bare loop, ${STEADY}/s`, values: of('p50'), atMost: 1.5, stretch: 1.1 },
    { what: `p99 for one of the bare loop, ${STEADY}/s`, values: of('p99'), atMost: 2 },
    { what: 'p99 in ms at half capacity', values: p99, digits: 0, atMost: 100 },
  ])
}
