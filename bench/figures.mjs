// Figures of a process, and their summary.

/** What this process has used since `startCpu`, for `count` events in `ms` milliseconds. */
export function measure(count, ms, startCpu) {
  if (count <= 0) throw new Error('Expected more events: all had passed before start-up was over')
  const { user, system } = process.cpuUsage(startCpu)
  return {
    perSecond: Math.round((count * 1000) / ms),
    cpuPerThousand: (user + system) / 1e6 / (count / 1000),
    peakRssMb: peakRssMb(),
  }
}

/** The most memory that this process has ever had. */
export function peakRssMb() {
  return process.resourceUsage().maxRSS / 1024
}

/** While RabbitMQ has an alarm it reads nothing: the time until it ends says nothing about a contender. */
export function refuseToMeasure(reason) {
  console.error(`RabbitMQ would be measured, not the contender; it raised an alarm or refused a message: ${reason}`)
  process.exit(1)
}

export function median(values) {
  return quantile(values, 0.5)
}

/** The value that this part of them doesn't exceed; between two of them in proportion. */
export function quantile(values, part) {
  const sorted = Float64Array.from(values).sort()
  const at = (sorted.length - 1) * part
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return below === above ? below : below + (above - below) * (at - Math.floor(at))
}

export function spread(values, digits) {
  return `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`
}

/** The median of the rounds, and what lies between the least and the greatest. */
export function summary(values, digits) {
  if (values.length === 0) return 'not measured'
  const shown = median(values).toFixed(digits)
  return values.length > 1 ? `${shown} (${spread(values, digits)})` : shown
}

/** One figure of one contender for one of the other, round by round. */
export function ratios(results, others, figure = 'perSecond') {
  return others.length === 0 ? [] : results.map((result, round) => result[figure] / others[round][figure])
}
