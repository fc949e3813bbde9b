import { mkdtempSync, rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withDeadline } from '../../src/waiting.js'
import type { Executed } from './execute.js'
import type { Plan } from './plan.js'
import { say } from './report.js'
import { type Begun, type Outcome, type RunOptions, runPlan } from './run.js'
import { startWorld, type Tools, type World } from './world.js'

/** Servers that are shared by runs, one after the other, and made anew after a run that could not be finished. */
export interface Session {
  run(plan: Plan, options: RunOptions): Promise<Outcome>
  end(): Promise<void>
}

/** Ends with the process, whatever ends it; Ctrl-C leaves nothing behind. */
export function openSession(tools: Tools): Session {
  let world: Promise<World> | undefined
  let folder: string | undefined
  let endRun: () => Promise<void> = async () => {}

  async function end(): Promise<void> {
    const ending = world
    world = undefined
    await endRun().catch(() => {})
    // One that never stood has let go of everything itself.
    await (await ending?.catch(() => undefined))?.stop()
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say('interrupted: stopping the servers')
      // Supervisors end what a second signal leaves behind.
      const folders = folder === undefined ? [] : [folder]
      void end().finally(() => {
        for (const path of folders) rmSync(path, { recursive: true, force: true })
        process.exit(130)
      })
    })
  }

  async function run(plan: Plan, options: RunOptions): Promise<Outcome> {
    const longestMs = plan.minutes * 240_000 + 300_000
    const executed: Executed[] = []
    folder = undefined
    const onBegin = (begun: Begun): void => {
      endRun = begun.end
      folder = begun.folder
    }
    const onFault = (fault: Executed): void => {
      executed.push(fault)
      options.onFault?.(fault)
    }
    try {
      world ??= startWorld(tools, line => say(line))
      const running = runPlan(await world, plan, { ...options, onBegin, onFault })
      return await withDeadline(running, longestMs, () => {
        throw new Error(`The run was not over within ${longestMs} ms`)
      })
    } catch (error) {
      // Beside the log and the output of the pipeline's process, where it came to that.
      folder ??= mkdtempSync(join(tmpdir(), 'cdc-nemesis-'))
      await writeFile(join(folder, 'plan.json'), JSON.stringify({ plan, executed, error: String(error) }, null, 2))
      say(`  kept in ${folder}`)
      // Who knows what it has left broken.
      await end()
      throw error
    }
  }

  return { run, end }
}

/** Keeps what is needed to understand a run that failed, or nothing. */
export async function keepOrRemove(
  { folder, history, verdict, executed }: Outcome,
  plan: Plan,
): Promise<string | undefined> {
  if (verdict.violations.length === 0) {
    await rm(folder, { recursive: true, force: true })
    return undefined
  }
  const { log, output, secrets, ...rest } = history
  await writeFile(join(folder, 'history.json'), JSON.stringify(rest))
  await writeFile(join(folder, 'plan.json'), JSON.stringify({ plan, executed, verdict }, null, 2))
  return folder
}
