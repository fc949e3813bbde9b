// What transforms, images and sizes cost: the same pipeline, asked for different things.

import { largeArticle, loadInserts, loadSpreadUpdates, note } from '../backlog.mjs'
import { ratios } from '../figures.mjs'
import { inTurns } from '../jobs.mjs'
import { printFigures, printGoals } from '../report.mjs'

export const title = 'Modes of this library, classic queue'

export async function run(bench) {
  const contenders = await contendersOf(bench)
  const results = await inTurns(bench, contenders)
  printFigures(contenders, results)
  const cpu = results.three.map(({ cpuPerThousand }) => cpuPerThousand)
  const rest = Object.keys(contenders).filter(key => key !== 'untouched')
  printGoals([
    { what: 'CPU s per 1,000 events, three transforms', values: cpu, digits: 3, atMost: 0.06, stretch: 0.05 },
    ...rest.map(key => ({
      what: `${contenders[key].label}: × untouched`,
      values: ratios(results[key], results.untouched),
    })),
  ])
}

async function contendersOf({ database, events, large }) {
  const fewer = Math.ceil(events / 5) // of what is slow by its nature
  const imaged = await database.createCollection('imaged', { changeStreamPreAndPostImages: { enabled: true } })
  const documents = { backlog: await loadInserts(database.collection('documents'), events), count: events }
  const small = { backlog: await loadInserts(database.collection('small'), events, note), count: events }
  const big = {
    backlog: await loadInserts(database.collection('large'), large, largeArticle),
    count: large,
  }
  const updated = { backlog: await loadSpreadUpdates(database.collection('updated'), fewer), count: fewer }
  const images = { backlog: await loadSpreadUpdates(imaged, fewer), count: fewer }
  const ours = { script: 'contenders/ours.mjs' }
  return {
    untouched: { ...ours, ...documents, label: 'untouched document, 1 KB' },
    three: { ...ours, ...documents, mode: 'three', label: 'three transforms' },
    enrich: { ...ours, ...documents, count: fewer, mode: 'enrich', label: 'enrich, 5 ms' },
    enrich128: {
      ...ours,
      ...documents,
      count: fewer,
      mode: 'enrich-128',
      label: 'enrich, 5 ms, `transformConcurrency: 128`',
    },
    changes: { ...ours, ...updated, mode: 'changes', label: 'updates, `changeEventMessage`' },
    lookup: { ...ours, ...updated, mode: 'lookup', label: 'updates, `updateLookup`' },
    images: { ...ours, ...images, mode: 'images', label: 'updates, stored pre- and post-images' },
    small: { ...ours, ...small, label: 'untouched document, 100 bytes' },
    large: { ...ours, ...big, label: 'untouched document, 50 KB' },
  }
}
