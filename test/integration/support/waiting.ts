import type { CdcPipeline, PipelineState } from '../../../src/index.js'

/** How to wait. */
export interface WaitOptions {
  /** @default 60000 */
  readonly ms?: number | undefined
  /** Calls the listener whenever it is worth asking again; returns what ends that. @default each 20 ms; needs a condition without a promise otherwise */
  readonly changed?: (listener: () => void) => () => void
}

/** Resolves when the condition holds; one that stays false for too long is an error that says what was awaited. */
export async function until(
  done: () => boolean | Promise<boolean>,
  what: () => string,
  { ms = 60_000, changed = everyTick }: WaitOptions = {},
): Promise<void> {
  const expired = Date.now() + ms
  for (;;) {
    const holds = done()
    if (holds === true || (holds !== false && (await holds))) return
    if (Date.now() > expired) throw new Error(`Expected within ${ms} ms: ${what()}`)
    await new Promise<void>(resolve => {
      const end = changed(wake)
      const timer = setTimeout(wake, Math.max(1, expired - Date.now() + 1))
      function wake(): void {
        end()
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function everyTick(listener: () => void): () => void {
  const timer = setTimeout(listener, 20)
  return () => clearTimeout(timer)
}

/** Resolves when the pipeline is in this state, for this reason where one is given. */
export async function inState(
  pipeline: CdcPipeline,
  state: PipelineState,
  reason?: string,
  ms?: number,
): Promise<void> {
  const { health } = pipeline
  const there = (): boolean => {
    const { state: now, reasons } = health.call(pipeline)
    return now === state && (reason === undefined || reasons.includes(reason))
  }
  await until(there, () => `${state} ${reason ?? ''}, got ${pipeline.state} ${pipeline.health().reasons}`, {
    ms,
    changed: listener => {
      pipeline.on('state', listener)
      return () => pipeline.off('state', listener)
    },
  })
}
