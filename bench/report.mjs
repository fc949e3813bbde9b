// Tables, in Markdown.

import { median, summary } from './figures.mjs'

const FIGURES = [
  ['events/s', 'perSecond', 0],
  ['CPU s per 1,000', 'cpuPerThousand', 3],
  ['peak RSS MiB', 'peakRssMb', 0],
]

/** One row for each contender; `more` are further columns: heading, name of the figure, digits. */
export function printFigures(contenders, results, more = []) {
  const columns = [...FIGURES, ...more]
  const rows = Object.entries(contenders).map(([key, { label }]) => [
    label,
    ...columns.map(([, name, digits]) =>
      summary(
        results[key].map(result => result[name]),
        digits,
      ),
    ),
  ])
  printTable(['', ...columns.map(([heading]) => heading)], rows)
}

/** One row for each contender, in milliseconds. */
export function printLatencies(labels, results) {
  const cells = key =>
    ['p50', 'p99'].map(name =>
      summary(
        results[key].map(result => result[name]),
        1,
      ),
    )
  printTable(
    ['ms', 'p50', 'p99'],
    Object.keys(labels).map(key => [labels[key], ...cells(key)]),
  )
}

/**
 * One row for each goal: `what`, `values` of the rounds, `digits`, and `atLeast` or `atMost`, with `stretch` where there
 * is one. What has no goal is shown without.
 */
export function printGoals(goals) {
  const rows = goals.map(({ what, values, digits = 2, atLeast, atMost, stretch }) => {
    const sign = atLeast === undefined ? '≤' : '≥'
    const limit = atLeast ?? atMost
    const met = bound => (atLeast === undefined ? median(values) <= bound : median(values) >= bound)
    const asked = limit === undefined ? '' : `${sign} ${limit}${stretch === undefined ? '' : ` (*${stretch}*)`}`
    return [what, summary(values, digits), asked, values.length === 0 ? '' : verdict(limit, stretch, met)]
  })
  console.log()
  printTable(['', 'measured', 'goal (*stretch*)', ''], rows)
}

function verdict(limit, stretch, met) {
  if (limit === undefined) return ''
  if (!met(limit)) return '**not reached**'
  return stretch !== undefined && met(stretch) ? 'reached, *stretch* too' : 'reached'
}

export function printTable(heading, rows) {
  const widths = heading.map((text, column) => Math.max(3, text.length, ...rows.map(row => row[column].length)))
  const line = cells => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  console.log(line(heading))
  console.log(`|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`)
  for (const row of rows) console.log(line(row))
}
