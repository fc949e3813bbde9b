import { countOf, type Verdict } from './check-history.js'
import type { Executed } from './execute.js'
import type { Kind, Plan } from './plan.js'
import { violationKinds } from './verdict.js'

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function describePlan({ seed, minutes, settings, steps }: Plan): string {
  const faults = steps.map(({ faults }) => faults.map(({ kind }) => kind).join(' + '))
  const set = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
  return [`seed ${seed}, ${minutes} min: ${set.join(', ')}`, ...faults.map(fault => `  ${fault}`)].join('\n')
}

export function describeFault({ kind, atMs, tookMs, error }: Executed): string {
  return `  ${seconds(atMs).padStart(7)}  ${kind}, ${seconds(tookMs)}${error === undefined ? '' : `: did not come about, ${error}`}`
}

/** One line. */
export function describeVerdict(seed: number, verdict: Verdict, executed: readonly Executed[]): string {
  const { events, copies, deadLetters, peakEvents, peakBytes, recoveryMs, lateCopies } = verdict.figures
  const broken = executed.filter(({ error }) => error !== undefined).length
  const counts = [
    `${executed.length - broken} faults${broken === 0 ? '' : ` (${broken} more did not come about)`}`,
    `${events} events`,
    `${countOf(verdict, 'lost')} lost`,
    `${countOf(verdict, 'unexpected')} unexpected`,
    `${copies} duplicated (${lateCopies} late)`,
    `${countOf(verdict, 'order')} out of order`,
    `${countOf(verdict, 'passedUnconfirmed')} passed unconfirmed`,
    `${deadLetters} dead letters`,
    `peak ${peakEvents} events, ${Math.ceil(peakBytes / 1024)} KiB`,
    recoveryMs === undefined ? 'not recovered' : `recovered in ${seconds(recoveryMs)}`,
  ]
  return `seed ${seed}: ${verdict.violations.length === 0 ? 'ok' : 'FAILED'}, ${counts.join(', ')}`
}

export function describeViolations({ violations }: Verdict): string {
  return violations
    .map(({ kind, count, examples }) => [`  ${kind} (${violationKinds[kind]}): ${count}`, ...examples].join('\n      '))
    .join('\n')
}

/** How often each kind came about, over all seeds. */
export function countKinds(kinds: readonly Kind[], executed: readonly Executed[]): Map<string, number> {
  const counts = new Map(kinds.map(({ name }) => [name, 0]))
  for (const { kind, error } of executed) {
    if (error === undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

/** How the seeds ended. */
export interface Tally {
  readonly seeds: number
  /** The guarantee was broken. */
  readonly failed: number
  /** The harness itself failed: nothing is said of the guarantee. */
  readonly unchecked: number
}

/** The last lines; which kinds were missed is told where all were to be met. */
export function describeSummary(
  { seeds, failed, unchecked }: Tally,
  kinds: readonly Kind[],
  executed: readonly Executed[],
  all: boolean,
): string {
  const counts = [...countKinds(kinds, executed)]
  const reached = counts.filter(([, count]) => count > 0)
  const met = executed.filter(({ error }) => error === undefined)
  const broken = executed.filter(({ error }) => error !== undefined).map(({ kind }) => kind)
  const ends = [
    `${seeds - failed - unchecked} of ${seeds} seeds ok`,
    ...(failed > 0 ? [`${failed} FAILED`] : []),
    ...(unchecked > 0 ? [`${unchecked} could not be checked`] : []),
    `${met.length} faults of ${reached.length} kinds`,
  ]
  const lines = [ends.join(', ')]
  if (reached.length > 0) lines.push(`faults: ${reached.map(([name, count]) => `${count} × ${name}`).join(', ')}`)
  if (broken.length > 0) lines.push(`did not come about: ${broken.join(', ')}`)
  const missed = counts.filter(([, count]) => count === 0).map(([name]) => name)
  if (all && missed.length > 0) lines.push(`not reached: ${missed.join(', ')}`)
  return lines.join('\n')
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
