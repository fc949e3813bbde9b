// What entries of other collections in the oplog cost: the server reads them all, whoever wants them.

import { beginBacklog, insert, loadInserts, note } from '../backlog.mjs'
import { ratios } from '../figures.mjs'
import { inTurns } from '../jobs.mjs'
import { printFigures, printGoals } from '../report.mjs'

export const title = 'Cost of foreign oplog entries, classic queue'

const STRETCHES = 20

export async function run(bench) {
  const contenders = await contendersOf(bench)
  const results = await inTurns(bench, contenders)
  printFigures(contenders, results, [
    ['CPU s of mongod per 1,000', 'mongoCpuPerThousand', 3],
    ['start to first event, ms', 'firstMs', 0],
  ])
  const rest = Object.keys(contenders).filter(key => key !== 'none')
  printGoals(
    rest.map(key => ({
      what: `${contenders[key].label}: events/s for one of none`,
      values: ratios(results[key], results.none),
    })),
  )
}

/** Written in this order, so that nothing foreign but checkpoints lies behind the last backlog. */
async function contendersOf({ database, events, foreign }) {
  const other = database.collection('foreign')
  const ours = { script: 'contenders/ours.mjs', count: events }
  const behind = await loadInserts(database.collection('behind'), events)
  await insert(other, 0, foreign, note)

  const among = await beginBacklog(database.collection('among'))
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    await insert(database.collection('among'), stretch * events, Math.ceil(events / STRETCHES))
    await insert(other, 0, Math.ceil(foreign / STRETCHES), note)
  }

  const before = await beginBacklog(database.collection('before'))
  await insert(other, 0, foreign, note)
  await insert(database.collection('before'), 0, events)

  const none = await loadInserts(database.collection('none'), events)
  return {
    none: { ...ours, backlog: none, label: 'none' },
    before: { ...ours, backlog: before, label: `${foreign} between position and backlog` },
    among: { ...ours, backlog: among, label: `${foreign} among the backlog` },
    behind: { ...ours, backlog: behind, label: `${foreign} and more behind the backlog` },
  }
}
