import { inspect } from 'node:util'
import type { CdcPipeline, ChangeStreamSource, CheckpointStore, RabbitPublisher } from '../../../src/index.js'

/** Stands in every planted password: what shows a part of one shows this. */
export const PLANTED = 'PlAnTeD'
/** As it is typed, with characters that a URI needs encoded; and as it stands in a URI. */
export const password = `p@${PLANTED}/w:r?d#%40`
export const encoded: string = encodeURIComponent(password)

const hex = Buffer.from(PLANTED).toString('hex')
/** What would be a leak: the text, encoded or not, and its bytes as Node prints them. */
const traces = new RegExp(`${PLANTED}|${hex}|${hex.replace(/(..)(?!$)/g, '$1 ')}|${base64Traces().join('|')}`, 'i')

/** Base64 looks different at each of three offsets; only the groups that hold nothing else stay the same. */
function base64Traces(): string[] {
  return [0, 1, 2].map(offset => {
    const text = Buffer.from(`${'-'.repeat(offset)}${PLANTED}`).toString('base64')
    return text.slice(offset === 0 ? 0 : 4, 8).replace(/[+/]/g, '\\$&')
  })
}

/** Everything that was told to anybody, as the most careless of loggers would print it. */
export class Told {
  readonly #lines: string[] = []

  get size(): number {
    return this.#lines.length
  }

  note(what: string, value: unknown): void {
    const parts = [inspect(value, { depth: 10, showHidden: true, maxStringLength: 10_000, maxArrayLength: 1_000 })]
    for (let error = value, depth = 0; error instanceof Error && depth < 10; error = error.cause, depth++) {
      parts.push(error.message, String(error.stack), String(error), safeJson(error), safeJson({ ...error }))
    }
    parts.push(safeJson(value))
    this.#lines.push(`${what}: ${parts.join('\n')}`)
  }

  /** Listens to everything. */
  listen(pipeline: CdcPipeline, source: ChangeStreamSource, sink: RabbitPublisher, store: CheckpointStore): void {
    const parts = (): void => {
      this.note('parts', [pipeline, source, sink, store])
      this.note('health', [pipeline.health(), source.health(), sink.health(), pipeline.stats()])
    }
    for (const name of ['state', 'retry', 'failedEvent', 'checkpoint', 'checkpointFailed', 'stopped'] as const) {
      // The event itself is its owner's, documents and all.
      pipeline.on(name, (payload: object) => this.note(`pipeline ${name}`, { ...payload, event: undefined }))
    }
    for (const name of ['opened', 'retry', 'watchdog', 'positionFallback', 'warning', 'historyLost'] as const) {
      source.on(name, (payload: unknown) => this.note(`source ${name}`, payload))
    }
    for (const name of ['connected', 'disconnected', 'retry', 'blocked', 'returned', 'confirmTimeout'] as const) {
      sink.on(name, (payload: unknown) => this.note(`publisher ${name}`, payload))
    }
    pipeline.on('state', parts)
    parts()
  }

  has(what: string): boolean {
    return this.#lines.some(line => line.startsWith(what))
  }

  /** What holds a trace of the password, with some text around it. */
  leaks(): string[] {
    return this.#lines.flatMap(line => {
      const at = line.search(traces)
      return at < 0 ? [] : [`${line.slice(0, 60)} … ${line.slice(Math.max(0, at - 100), at + 60)}`]
    })
  }
}

function safeJson(value: unknown): string {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? ''
  } catch {
    return '' // a circle
  }
}
