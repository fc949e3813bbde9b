// Whether an event costs more when more of them wait.

import { loadInserts } from '../backlog.mjs'
import { ratios } from '../figures.mjs'
import { inTurns } from '../jobs.mjs'
import { printFigures, printGoals } from '../report.mjs'

export const title = 'Cost as the backlog grows, classic queue'

export async function run(bench) {
  const { database, events } = bench
  const sizes = [Math.ceil(events / 10), events, events * 3]
  const contenders = {}
  for (const count of sizes) {
    const backlog = await loadInserts(database.collection(`documents${count}`), count)
    contenders[count] = { script: 'contenders/ours.mjs', backlog, count, label: `backlog of ${count} events` }
  }
  const results = await inTurns(bench, contenders)
  printFigures(contenders, results, [['CPU s of mongod per 1,000', 'mongoCpuPerThousand', 3]])
  const [, middle, greatest] = sizes
  const [few, many] = [results[middle], results[greatest]]
  printGoals([
    { what: `events/s, ${greatest} for one of ${middle}`, values: ratios(many, few) },
    { what: `CPU per event, ${greatest} for one of ${middle}`, values: ratios(many, few, 'cpuPerThousand') },
  ])
}
