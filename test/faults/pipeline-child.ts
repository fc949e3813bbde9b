import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { settledWithin } from '../../src/waiting.js'
import type { ChildRequest, ChildStatus } from './child-options.js'
import type { LogLine } from './history.js'
import { readLines } from './log-reader.js'
import type { Place } from './place.js'

/** The pipeline in a process of its own, which is started again when it ends by itself, as an orchestrator would. */
export interface PipelineChild {
  start(): void
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves when it is gone, if need be by force. */
  terminate(): Promise<void>
  /** SIGSTOP, and later SIGCONT. */
  freeze(): void
  thaw(): void
  ask(request: ChildRequest): void
  status(): Promise<ChildStatus | undefined>
  mark(kind: 'final'): void
  /** All lines so far. */
  log(): readonly LogLine[]
  output(): string
  /** For good; starts no other one. */
  end(): Promise<void>
}

const TERMINATED_BY_FORCE_MS = 40_000
const RESTART_MS = 400

export function createPipelineChild(program: string, { child: options, folder }: Place): PipelineChild {
  const outputFile = join(folder, 'pipeline.out')
  const lines = readLines(options.log)
  let running: ChildProcess | undefined
  let gone: Promise<unknown> = Promise.resolve()
  let wanted = false
  let ending = false
  let restart: NodeJS.Timeout | undefined

  function append(line: object): void {
    // On a line of its own, also behind one that was cut off.
    appendFileSync(options.log, `\n${JSON.stringify({ ...line, at: Date.now() })}\n`)
  }

  function start(): void {
    clearTimeout(restart)
    if (running || ending) return
    wanted = false
    const file = openSync(outputFile, 'a')
    const env = { ...process.env, NEMESIS_CHILD: JSON.stringify(options) }
    const child = fork(program, { env, stdio: ['ignore', file, file, 'ipc'], execArgv: [] })
    closeSync(file)
    running = child
    // A channel that has just broken.
    child.on('error', () => {})
    gone = once(child, 'exit').then(() => {
      running = undefined
    })
    child.once('exit', (code, signal) => {
      if (!wanted) append({ kind: 'ended', wanted, how: String(signal ?? code), tookMs: 0 })
      if (!wanted && !ending) restart = setTimeout(start, RESTART_MS)
    })
  }

  async function finish(signal: NodeJS.Signals, forceMs: number): Promise<void> {
    clearTimeout(restart)
    if (!running) return
    wanted = true
    const since = performance.now()
    const child = running
    child.kill(signal)
    const forced = setTimeout(() => child.kill('SIGKILL'), forceMs)
    await gone
    clearTimeout(forced)
    append({ kind: 'ended', wanted, how: signal, tookMs: Math.round(performance.now() - since) })
  }

  const onExit = (): void => void running?.kill('SIGKILL')
  process.once('exit', onExit)
  return {
    start,
    kill: () => finish('SIGKILL', TERMINATED_BY_FORCE_MS),
    terminate: () => finish('SIGTERM', TERMINATED_BY_FORCE_MS),
    freeze: () => void running?.kill('SIGSTOP'),
    thaw: () => void running?.kill('SIGCONT'),
    ask(request) {
      if (running?.connected) running.send(request, () => {})
    },
    async status() {
      if (!running?.connected) return undefined
      const answer = once(running, 'message').then(([status]) => status as ChildStatus)
      answer.catch(() => {})
      running.send({ ask: 'status' } satisfies ChildRequest, () => {})
      let status: ChildStatus | undefined
      await settledWithin(
        answer.then(
          got => {
            status = got
          },
          () => {},
        ),
        2_000,
      )
      return status
    },
    mark: kind => append({ kind }),
    log: lines,
    output: () => readFileSync(outputFile, 'utf8'),
    async end() {
      ending = true
      await finish('SIGKILL', 0)
      process.off('exit', onExit)
    },
  }
}
