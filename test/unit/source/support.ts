import type { Document, MongoClient } from 'mongodb'
import type { OpenReader } from '../../../src/source/batches.js'
import type { Approach } from '../../../src/source/oversized-event.js'
import type { ChangeEvent, RawEvent, Reader, ReaderBatch, ResumeTokenDocument } from '../../../src/source/reader.js'
import {
  type ChangeStreamSourceOptions,
  type ResolvedOptions,
  resolveSourceOptions,
} from '../../../src/source/source-options.js'
import type { Supervised, Tell } from '../../../src/source/supervise.js'
import type { Position, PositionOrigin, SourceRecord } from '../../../src/types.js'

export const origin: PositionOrigin = { deployment: 'rs0', deploymentId: 'a', watch: 'w' }

/** As much of a client as the options look at. */
export const client = { db: () => ({}), startSession: () => ({}) } as unknown as MongoClient

export function resolved(options: Partial<ChangeStreamSourceOptions> = {}): ResolvedOptions {
  return resolveSourceOptions({ client, ...options })
}

/** A high-water mark of second `t`, or the token of the event number `n` within it. */
export function token(t: number, n?: number): ResumeTokenDocument {
  const time = `82${t.toString(16).padStart(8, '0')}00000001`.toUpperCase()
  return { _data: `${time}2B0229296E04${n === undefined ? '' : n.toString(16).padStart(8, '0').toUpperCase()}` }
}

export const start: Position = { kind: 'time', clusterTime: { t: 1, i: 1 }, origin }

export function event(t: number, fields: Document = {}): RawEvent {
  const raw = {
    _id: token(t, t),
    operationType: 'insert',
    ns: { db: 'd', coll: 'c' },
    documentKey: { _id: t },
    ...fields,
  }
  return { event: raw as unknown as ChangeEvent, size: 100 }
}

export function batch(...times: number[]): ReaderBatch {
  return { events: times.map(t => event(t)), closed: false }
}

/** What a fake server answers: a batch, an error, or nothing until the reader is closed. */
export type Answer = ReaderBatch | Error | 'silence'

/** A server that answers from a script, one list of answers for each time it is opened; silent when all are given. */
export class FakeServer {
  /** The positions it was opened with. */
  readonly openedAt: Position[] = []
  /** How it was opened, each time. */
  readonly approaches: Approach[] = []
  readonly told: [name: string, ...details: unknown[]][] = []
  readonly abort: AbortController = new AbortController()
  closed = 0
  /** How often a batch was asked for. */
  reads = 0
  alive = true
  /** Resolves when a read stays without answer. */
  readonly silent: Promise<void>
  #announceSilence: () => void = () => undefined

  constructor(readonly script: (Error | Answer[])[]) {
    this.silent = new Promise(resolve => {
      this.#announceSilence = resolve
    })
  }

  supervised(options: Partial<Supervised> = {}): Supervised {
    return {
      open: async (position, approach) => this.#open(position, approach),
      now: async () => ({ kind: 'time', clusterTime: { t: 1000, i: 1 }, origin }),
      maxAwaitTimeMS: 1000,
      watchdogMs: 5000,
      minDelayMs: 1,
      maxDelayMs: 1,
      onHistoryLost: 'fail',
      random: () => 0,
      tell: this.#tell(),
      ...options,
    }
  }

  names(): string[] {
    return this.told.map(([name]) => name)
  }

  #open(position: Position, approach: Approach): OpenReader {
    this.openedAt.push(position)
    this.approaches.push(approach)
    const answers = this.script[this.openedAt.length - 1] ?? []
    if (answers instanceof Error) throw answers
    const left = [...answers]
    let release: (error: Error) => void = () => undefined
    const reader: Reader = {
      nextBatch: () => {
        this.reads++
        const answer = left.shift() ?? 'silence'
        if (answer instanceof Error) return Promise.reject(answer)
        if (answer !== 'silence') return Promise.resolve(answer)
        this.#announceSilence()
        return new Promise((_, reject) => {
          release = reject
        })
      },
      close: async () => {
        this.closed++
        release(new Error('cursor killed'))
      },
    }
    return { reader, origin, probe: async () => this.alive }
  }

  #tell(): Tell {
    const note =
      (name: string) =>
      (...details: unknown[]): void => {
        this.told.push([name, ...details])
      }
    return {
      opened: note('opened'),
      healthy: note('healthy'),
      broken: note('broken'),
      retry: note('retry'),
      watchdog: note('watchdog'),
      positionFallback: note('positionFallback'),
      invalidated: note('invalidated'),
      oversized: note('oversized'),
      historyLost: note('historyLost'),
    }
  }
}

/** An error of the server, as the driver throws it. */
export function serverError(code: number, message = `error ${code}`): Error {
  return Object.assign(new Error(message), { code, codeName: `Name${code}` })
}

/** The seconds of the events of some batches. */
export function times(records: readonly SourceRecord<unknown>[]): number[] {
  return records.filter(record => record.event !== undefined).map(record => record.position.clusterTime.t)
}
