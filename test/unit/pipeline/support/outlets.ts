import { inspect } from 'node:util'
import { vi } from 'vitest'
import type { PipelineEvents } from '../../../../src/events.js'
import type { CdcPipeline } from '../../../../src/pipeline/cdc-pipeline.js'
import type { RabbitMessage } from '../../../../src/types.js'

/** All that can be read of an error, its causes included. */
export function errorText(error: unknown): string {
  const texts = [inspect(error, { depth: null, showHidden: true }), String(error), JSON.stringify(error)]
  if (typeof error !== 'object' || error === null) return texts.join('\n')
  const { message, stack, hint, cause } = error as { message?: string; stack?: string; hint?: string; cause?: unknown }
  texts.push(`${message}\n${stack}\n${hint}`)
  if (cause !== undefined) texts.push(errorText(cause))
  return texts.join('\n')
}

/** All that a consumer sees of a message: the bytes as text, and every property. */
export function messageText({ body, ...properties }: RabbitMessage): string {
  const text = body instanceof Uint8Array ? Buffer.from(body).toString() : inspect(body, { depth: null })
  return `${text} ${JSON.stringify(properties)} ${inspect(properties, { depth: null })}`
}

const names: readonly (keyof PipelineEvents)[] = [
  'state',
  'published',
  'filtered',
  'retry',
  'failedEvent',
  'deadLettered',
  'checkpoint',
  'checkpointFailed',
  'stopped',
]

/** What the pipeline tells, but for the event itself, which its owner gets as it is. */
export function recordEvents(pipeline: CdcPipeline): string[] {
  const told: string[] = []
  for (const name of names) {
    const listener = (payload: object): void => {
      const { event, ...rest } = payload as { event?: unknown }
      told.push(`${name} ${inspect(rest, { depth: null })}`)
      for (const value of Object.values(rest)) if (value instanceof Error) told.push(errorText(value))
    }
    pipeline.on(name, listener as never)
  }
  return told
}

/** What is printed from now on. */
export function recordConsole(): string[] {
  const printed: string[] = []
  const record = (...parts: unknown[]): void => {
    printed.push(parts.map(part => inspect(part, { depth: null })).join(' '))
  }
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    vi.spyOn(console, method).mockImplementation(record)
  }
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation(text => {
      record(text)
      return true
    })
  }
  return printed
}
