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
export function refuseToMeasure() {
  console.error('RabbitMQ raised an alarm (memory or disk) during the run: it would be measured, not the contender')
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

export function printTable(rows) {
  const table = [['', 'events/s', 'CPU s per 1,000', 'peak RSS MB'], ...rows]
  const widths = table[0].map((_, column) => Math.max(...table.map(row => row[column].length)))
  for (const row of table) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('   '))
}
