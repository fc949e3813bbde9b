// Whether memory grows with the number of events, and what large documents need.

import { largeArticle, loadInserts } from '../backlog.mjs'
import { inTurns } from '../jobs.mjs'
import { printFigures, printGoals } from '../report.mjs'

export const title = 'Memory, defaults, classic queue'

/** `maxInFlightBytes` + 2 × 16 MiB + 120. */
const LARGE_LIMIT = 16 + 2 * 16 + 120
const MARK = 100_000

export async function run(bench) {
  const { database, memory, large } = bench
  const mark = Math.min(MARK, Math.ceil(memory / 10))
  const documents = await loadInserts(database.collection('documents'), memory)
  const big = await loadInserts(database.collection('large'), large, largeArticle)
  const ours = { script: 'contenders/ours.mjs' }
  const contenders = {
    many: { ...ours, backlog: documents, count: memory, mark, label: `${memory} events of 1 KB` },
    large: { ...ours, backlog: big, count: large, label: `${large} events of 50 KB` },
  }
  const results = await inTurns(bench, contenders)
  const of = (key, name) => results[key].map(result => result[name])
  const growth = results.many.map(({ peakRssMb, peakAtMark }) => peakRssMb / peakAtMark)
  printFigures(contenders, results)
  printGoals([
    { what: `peak RSS in MiB after ${mark} events`, values: of('many', 'peakAtMark'), digits: 0, atMost: 170 },
    { what: `peak RSS in MiB after ${memory} events`, values: of('many', 'peakRssMb'), digits: 0, atMost: 170 },
    { what: 'the latter for one of the former', values: growth, atMost: 1.1 },
    { what: 'peak RSS in MiB with 50 KB', values: of('large', 'peakRssMb'), digits: 0, atMost: LARGE_LIMIT },
  ])
}
