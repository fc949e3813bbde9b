import type { History, LogLine } from './history.js'
import { type Violation, violation } from './verdict.js'

/** Whether the process kept its limits, recovered, stopped in time and cleanly, and printed no password. */
export function checkProcess(history: History): Violation[] {
  const { output, secrets } = history
  return [
    ...violation('overEvents', overEvents(history)),
    ...violation('overBytes', overBytes(history)),
    ...violation('notRecovered', notRecovered(history)),
    ...violation('copiesAfterStop', copiesAfterStop(history.log)),
    ...violation('slowStop', slowStops(history)),
    ...violation('endedByItself', endsByItself(history.log)),
    ...violation(
      'secret',
      secrets.filter(secret => output.includes(secret)).map((_, i) => `secret ${i}`),
    ),
  ]
}

/** The most that was in flight. */
export function peaksOf(log: readonly LogLine[]): { events: number; bytes: number } {
  const peaks = { events: 0, bytes: 0 }
  for (const line of log) {
    if (line.kind !== 'peaks') continue
    peaks.events = Math.max(peaks.events, line.events)
    peaks.bytes = Math.max(peaks.bytes, line.bytes)
  }
  return peaks
}

function overEvents({ log, limits }: History): string[] {
  const { events } = peaksOf(log)
  return events > limits.maxInFlight ? [`${events} events, allowed ${limits.maxInFlight}`] : []
}

/** An event is admitted with the size of its BSON; headers and Extended JSON may add so much, when it is encoded. */
const ADDED_BY_ENCODING = 1024

function overBytes({ log, limits, arrivals, letters }: History): string[] {
  const { bytes, events } = peaksOf(log)
  const largest = [...arrivals, ...letters].reduce((most, arrival) => Math.max(most, arrival.bytes), 0)
  const allowed = limits.maxInFlightBytes + largest + (events + 1) * ADDED_BY_ENCODING
  return bytes > allowed ? [`${bytes} bytes, allowed ${allowed}`] : []
}

function notRecovered({ recovery: { ms, limitMs, backlog, state } }: History): string[] {
  return ms !== undefined && ms <= limitMs
    ? []
    : [`${ms ?? `more than ${limitMs}`} ms for ${backlog} events, ${limitMs} ms allowed, state ${state}`]
}

/** After the line `final` everything is confirmed, and the pipeline is stopped and started once more. */
function copiesAfterStop(log: readonly LogLine[]): string[] {
  const final = log.findIndex(({ kind }) => kind === 'final')
  if (final < 0) return []
  const stops = log.slice(0, final).flatMap(line => (line.kind === 'stopped' ? [line.drained] : []))
  const undrained = stops.at(-1) === true ? [] : ['the last stop was not clean']
  return [...undrained, ...log.slice(final).flatMap(line => (line.kind === 'sent' ? [line.id] : []))]
}

function slowStops({ log, limits }: History): string[] {
  return log.flatMap(line => {
    if (line.kind !== 'ended' || line.how !== 'SIGTERM' || line.tookMs <= limits.stopMs) return []
    return [`${line.tookMs} ms, allowed ${limits.stopMs}`]
  })
}

/** A start that is refused access, while a fault refuses it, may fail: whoever started it starts it again. */
function endsByItself(log: readonly LogLine[]): string[] {
  const found: string[] = []
  let failed: (LogLine & { kind: 'failed' }) | undefined
  for (const line of log) {
    if (line.kind === 'failed') failed = line
    if (line.kind !== 'ended') continue
    const refused = failed?.access === true && !failed.started
    if (failed ? !refused : !line.wanted) found.push(failed?.text ?? line.how)
    failed = undefined
  }
  return found
}
