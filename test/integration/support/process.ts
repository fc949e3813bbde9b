import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { PipelineStats, StopResult } from '../../../src/index.js'
import type { Answer, Failed, LeaseNews, ProcessOptions, Request, Stopped } from './process-program.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const root = join(folder, '../../..')
let built: Promise<string> | undefined

/** One file from the sources as they are now: no child runs what `dist/` has from yesterday. */
async function program(): Promise<string> {
  // In here it finds the packages that it imports. Two checkouts may share them by a link.
  const checkout = createHash('sha256').update(root).digest('hex').slice(0, 8)
  const file = join(root, `node_modules/.cache/mongo-rabbit-cdc/process-program-${checkout}.mjs`)
  const outfile = `${file}.${process.pid}.mjs`
  const entryPoints = [join(folder, 'process-program.ts')]
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', packages: 'external' })
  await rename(outfile, file)
  return file
}

/** Of a pipeline in a process of its own. */
export interface ProcessStats {
  readonly stats: PipelineStats
  readonly reasons: readonly string[]
  /** Resident memory in bytes. */
  readonly rss: number
  /** In bytes, garbage included. */
  readonly heapUsed: number
}

/** A pipeline in a process of its own, which can be killed. */
export class PipelineProcess {
  /** Everything it has printed. */
  output = ''
  /** What its listener of `failedEvent` was told. */
  readonly failed: Failed[] = []
  /** What its listeners of `leaseAcquired` and `leaseLost` were told. */
  readonly leases: LeaseNews[] = []
  /** When it has saved, as it was told; only with a lease. */
  readonly saves: number[] = []
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #closed: Promise<unknown>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#exited = once(child, 'exit')
    this.#closed = once(child, 'close')
    child.on('message', message => {
      const { kind, value } = message as Answer
      if (kind === 'failed') this.failed.push(value as Failed)
      if (kind === 'lease') this.leases.push(value as LeaseNews)
      if (kind === 'saved') this.saves.push(value as number)
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', text => {
        this.output += text
      })
    }
  }

  /** Resolves when the process runs; whether its pipeline does tells `ready()`. */
  static async fork(options: ProcessOptions, execArgv: string[] = []): Promise<PipelineProcess> {
    built ??= program()
    const env = { ...process.env, PIPELINE: JSON.stringify(options) }
    const child = fork(await built, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv })
    const forked = new PipelineProcess(child)
    await once(child, 'spawn')
    return forked
  }

  static async started(options: ProcessOptions, execArgv?: string[]): Promise<PipelineProcess> {
    const forked = await PipelineProcess.fork(options, execArgv)
    await forked.ready()
    return forked
  }

  /** Resolves when the pipeline is about to start. */
  async loaded(): Promise<void> {
    await this.#answer('loaded')
  }

  /** Resolves when the pipeline runs. */
  async ready(): Promise<void> {
    await this.#answer('ready')
  }

  async stats(): Promise<ProcessStats> {
    this.#ask('stats')
    return (await this.#answer('stats')) as ProcessStats
  }

  /** Resolves when the pipeline is paused. */
  async pause(): Promise<void> {
    this.#ask('pause')
    await this.#answer('paused')
  }

  /** A clean stop; resolves when the process is gone, to which it must come by itself. */
  async stop(): Promise<StopResult> {
    return (await this.timedStop()).result
  }

  /** The same, with the times until `stop()` has resolved, and from then until the process is gone. */
  async timedStop(): Promise<Stopped & { readonly exitMs: number }> {
    this.#ask('stop')
    const stopped = (await this.#answer('stopped')) as Stopped
    const since = performance.now()
    await this.#exited
    return { ...stopped, exitMs: performance.now() - since }
  }

  /** SIGSTOP: as a machine that is suspended, or a collection of garbage that takes very long. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  /** SIGCONT. */
  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Resolves when the process is gone, and everything that it said is here. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** Resolves when the process has ended by itself, and everything that it said is here. */
  async ended(): Promise<void> {
    await this.#closed
  }

  #ask(request: Request): void {
    this.#child.send(request)
  }

  async #answer(kind: Answer['kind']): Promise<Answer['value']> {
    const end = new AbortController()
    const { signal } = end
    // Not `exit`, which may come before what it said last.
    const exit = once(this.#child, 'close', { signal }).then(() => {
      throw new Error(`The process ended before it was ${kind}:\n${this.output}`)
    })
    const answer = new Promise<Answer['value']>(resolve => {
      const take = (message: unknown): void => {
        const { kind: got, value } = message as Answer
        if (got === kind) resolve(value)
      }
      this.#child.on('message', take)
      signal.addEventListener('abort', () => this.#child.off('message', take))
    })
    exit.catch(() => {})
    try {
      return await Promise.race([answer, exit])
    } finally {
      end.abort()
    }
  }
}
