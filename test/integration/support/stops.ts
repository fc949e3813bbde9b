import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Db, MongoClient } from 'mongodb'
import { expect } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../../scripts/services/index.mjs'
import type { StopResult } from '../../../src/index.js'
import { Inboxes } from './inbox.js'
import { connect } from './mongo.js'
import { unique } from './pipelines.js'
import { PipelineProcess, type ProcessStats } from './process.js'
import type { ProcessOptions } from './process-program.js'
import { until } from './waiting.js'

export const DRAIN_MS = 1_000
/** Five seconds for the last save and all closing. */
export const CLOSE_MS = 5_000
/** What a busy machine needs beside. */
const SLACK_MS = 2_000
/** Time to end for a process in which nothing is left, on a busy machine. */
const EXIT_MS = 3_000

/** A pipeline in a process of its own, each of whose servers stands behind a proxy of its own. */
export interface Stage {
  readonly process: PipelineProcess
  readonly mongo: TcpProxy
  readonly rabbit: TcpProxy
  /** In front of the store of checkpoints, and of the target of dead letters. */
  readonly store: TcpProxy
  readonly letters: TcpProxy
  readonly folder: string
  /** Writes so many documents, past all proxies. */
  insert(count: number, document?: object): Promise<void>
  /** Resolves when the statistics say so. */
  stats(holds: (stats: ProcessStats) => boolean, what: string): Promise<void>
}

/** A state in which a pipeline is stopped. */
export interface Situation {
  readonly name: string
  readonly options?: Partial<Omit<ProcessOptions, 'store'>>
  /** @default a file */
  readonly store?: 'file' | 'MongoDB'
  /** What is so before the process begins. With it the pipeline is stopped while it is starting. */
  readonly before?: (proxies: Pick<Stage, 'mongo' | 'rabbit' | 'store'>) => unknown
  /** Brings the pipeline that runs into the state. */
  readonly reach?: (stage: Stage) => Promise<unknown>
  /** Ends what would be in others' way. */
  readonly after?: () => Promise<unknown>
  /**
   * MongoDB keeps silent: to end its cursor and its sessions, or to save, the driver may be opening a connection, which
   * nobody but itself can end, after `connectTimeoutMS`. Of our clients that is 5 s.
   */
  readonly opening?: true
  readonly expected: StopResult
}

/** How a stop went. */
export interface Stopped {
  readonly result: StopResult
  readonly stopMs: number
  readonly exitMs: number
  readonly output: string
}

/** Brings a pipeline into the state, stops it, and waits until its process has ended by itself. */
export async function stopIn(
  servers: { readonly mongoUri: string; readonly amqpUrl: string },
  { options, store = 'file', before, reach, after }: Situation,
): Promise<Stopped> {
  const { mongoUri, amqpUrl } = servers
  const name = unique('stop').replaceAll('-', '_')
  const inboxes = new Inboxes()
  const client: MongoClient = await connect(mongoUri)
  const db: Db = client.db(name)
  const folder = await mkdtemp(join(tmpdir(), 'cdc-stop-'))
  const mongoPort = Number(new URL(mongoUri.replace('mongodb:', 'http:')).port)
  const rabbitPort = Number(new URL(amqpUrl).port)
  const [mongo, storeProxy] = await Promise.all([tcpProxy(mongoPort), tcpProxy(mongoPort)])
  const [rabbit, letters] = await Promise.all([tcpProxy(rabbitPort), tcpProxy(rabbitPort)])
  const direct = ({ port }: TcpProxy): string => `mongodb://127.0.0.1:${port}/?directConnection=true`
  const through = ({ port }: TcpProxy): string => amqpUrl.replace(/:\d+(?=\/|$)/, `:${port}`)
  try {
    for (const queue of [name, `${name}_letters`]) {
      await inboxes.idle(amqpUrl, queue, queue === name ? options?.queueArguments : {})
    }
    await before?.({ mongo, rabbit, store: storeProxy })
    const process = await PipelineProcess.fork({
      mongoUri: direct(mongo),
      amqpUrl: through(rabbit),
      deadLettersUrl: through(letters),
      database: name,
      queue: name,
      store: store === 'file' ? { path: join(folder, 'at') } : { uri: direct(storeProxy), database: `${name}_store` },
      drainTimeoutMs: DRAIN_MS,
      ...options,
      ...(options?.deadLetters !== undefined && { deadLetters: `${name}_letters` }),
    })
    await process.loaded()
    if (!before) await process.ready()
    await reach?.({
      process,
      mongo,
      rabbit,
      store: storeProxy,
      letters,
      folder,
      insert: async (count, document) => {
        await db.collection('c').insertMany(Array.from({ length: count }, (_, n) => ({ n, ...document })))
      },
      stats: (holds, what) =>
        until(
          async () => holds(await process.stats()),
          () => what,
        ),
    })
    const stopped = await process.timedStop()
    return { ...stopped, output: process.output }
  } finally {
    await after?.()
    await Promise.all([mongo, storeProxy, rabbit, letters].map(proxy => proxy.close().catch(() => {})))
    await inboxes.remove().catch(() => {}) // a broker that was killed has closed them
    await Promise.all([db.dropDatabase(), client.db(`${name}_store`).dropDatabase()])
    await client.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Says what is wrong with a stop. */
export function expectGood({ result, stopMs, exitMs, output }: Stopped, { expected, opening }: Situation): void {
  const limit = DRAIN_MS + CLOSE_MS + SLACK_MS
  expect({ output, result }).toEqual({ output: '', result: expected })
  expect(stopMs).toBeLessThan(limit)
  expect(exitMs).toBeLessThan(opening ? 5_000 + EXIT_MS : EXIT_MS)
}

/** The volume of a file store is gone. */
export async function unmount({ folder }: Stage): Promise<void> {
  await rename(folder, `${folder}-away`)
  await rm(`${folder}-away`, { recursive: true })
}
