// Figures of a process, and their summary.

/** What this process has used since `startCpu`, for `count` events in `ms` milliseconds. */
export function measure(count, ms, startCpu) {
  const { user, system } = process.cpuUsage(startCpu)
  return {
    perSecond: Math.round((count * 1000) / ms),
    cpuPerThousand: (user + system) / 1e6 / (count / 1000),
    peakRssMb: process.resourceUsage().maxRSS / 1024,
  }
}

/** While RabbitMQ has an alarm it reads nothing: the time until it ends says nothing about a contender. */
export function refuseToMeasure(reason) {
  console.error(`RabbitMQ would be measured, not the contender; it raised an alarm or refused a message: ${reason}`)
  process.exit(1)
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function spread(values, digits) {
  return `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`
}

/** A row of the table: the median of the rounds, and what lies between the least and the greatest. */
export function row(name, results) {
  const columns = ['perSecond', 'cpuPerThousand', 'peakRssMb']
  const digits = [0, 3, 0]
  const cells = columns.map((column, index) => {
    const values = results.map(result => result[column])
    const shown = median(values).toFixed(digits[index])
    return values.length > 1 ? `${shown} (${spread(values, digits[index])})` : shown
  })
  return [name, ...cells]
}

/** Events per second of one contender for one of the other, round by round. */
export function printRatio(name, results, others, digits) {
  const ratios = results.map((result, round) => result.perSecond / others[round].perSecond)
  console.log(`${name}: median ${median(ratios).toFixed(digits)} (${spread(ratios, digits)})`)
}

export function printTable(rows) {
  const table = [['', 'events/s', 'CPU s per 1,000', 'peak RSS MB'], ...rows]
  const widths = table[0].map((_, column) => Math.max(...table.map(row => row[column].length)))
  for (const row of table) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('   '))
}
