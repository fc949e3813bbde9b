import { commandLine } from '../../scripts/command-line.mjs'
import { countOf, type Verdict } from './check-history.js'
import { CHECKER_USAGE, parseWanted } from './options.js'
import type { Plan } from './plan.js'
import type { PlantedBug } from './planted-bugs.js'
import { describeFault, describeViolations, say, seconds } from './report.js'
import { keepOrRemove, openSession, type Session } from './session.js'
import type { Settings } from './settings.js'
import type { Tools } from './world.js'

/** So that a save, a nack or a lost connection meets many events in flight. */
const SETTINGS: Settings = {
  maxInFlight: 200,
  maxInFlightBytes: 2 ** 20,
  batchSize: 1_000,
  checkpointIntervalMs: 20,
  fullDocument: 'default',
  reader: 'command',
  queueType: 'classic',
  slowTransforms: 0.1,
  writesPerSecond: 120,
}
/** A pipeline that hangs has shown it by then. */
const RECOVER_MS = 12_000

/** `npm run test:checker`: bugs in the pipeline that the checker has to find. Returns the exit code. */
export async function main(args: readonly string[], tools: Tools): Promise<number> {
  const wanted = commandLine(CHECKER_USAGE, parseWanted, args)
  const session = openSession(tools)
  const rows: string[] = []
  let failed = 0
  try {
    for (const planted of wanted) {
      const { ok, text } = await runBug(planted, session, tools)
      if (!ok) failed += 1
      say(text)
      rows.push(`| ${planted.name} | ${text} |`)
    }
  } finally {
    await session.end()
  }
  say(['', '| planted | the checker |', '| --- | --- |', ...rows].join('\n'))
  say(`${wanted.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function runBug(
  { name, bug, found, steps, settings }: PlantedBug,
  session: Session,
  tools: Tools,
): Promise<{ ok: boolean; text: string }> {
  const since = performance.now()
  say(`${name} …`)
  const program = await tools.bundle('child', bug)
  const plan: Plan = { seed: 1, minutes: 1, settings: { ...SETTINGS, ...settings }, steps }
  const outcome = await session.run(plan, { program, recoverMs: RECOVER_MS, startAgain: found.length === 0 })
  const { verdict, executed } = outcome
  const broken = executed.filter(({ error }) => error !== undefined)
  const missing = found.filter(kind => countOf(verdict, kind) === 0)
  const clean = found.length > 0 || verdict.violations.length === 0
  const ok = missing.length === 0 && clean && broken.length === 0
  const kept = ok ? undefined : await keepOrRemove(outcome, plan)
  if (ok) await keepOrRemove({ ...outcome, verdict: { ...verdict, violations: [] } }, plan)
  if (!ok) say([...broken.map(describeFault), describeViolations(verdict), `  kept in ${kept}`].join('\n'))
  const took = seconds(performance.now() - since)
  return { ok, text: `${ok ? '' : 'FAILED: '}${summary(verdict)}, ${took}` }
}

function summary({ violations, figures }: Verdict): string {
  const found = violations.map(({ kind, count }) => `${kind} ${count}`).join(', ')
  return `${found === '' ? 'no violation' : found}; ${figures.events} events`
}
