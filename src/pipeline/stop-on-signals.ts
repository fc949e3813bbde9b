import { assertKnown, assertSome } from '../options.js'
import type { CdcPipeline } from './cdc-pipeline.js'

/** How signals of the operating system are taken. */
export interface StopOnSignalsOptions {
  /** Which signals. @default ['SIGTERM', 'SIGINT'] */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * Whether the process exits when the pipeline has ended: with 0 when it stopped, with 1 when it failed. Otherwise it
   * ends when nothing else keeps it. @default false
   */
  readonly exit?: boolean
}

/**
 * Stops the pipeline at the first signal; the second one ends it without waiting for what is in flight. When the
 * pipeline has ended, the listeners are gone; of one that has ended already, none are added. Returns what removes them
 * before.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`
 */
export function stopOnSignals(
  pipeline: Pick<CdcPipeline, 'stop' | 'once' | 'off' | 'state'>,
  options: StopOnSignalsOptions = {},
): () => void {
  assertKnown('stopOnSignals', options, ['signals', 'exit'])
  const { signals = ['SIGTERM', 'SIGINT'], exit = false } = options
  assertSome('signals', signals)
  // After the listeners of `stopped`, and whoever awaits `done`, had their turn.
  const exitLater = (failed: boolean): void => {
    if (exit) setImmediate(() => process.exit(failed ? 1 : 0))
  }
  if (pipeline.state === 'stopped' || pipeline.state === 'failed') {
    exitLater(pipeline.state === 'failed')
    return () => {}
  }
  let received = 0
  const onSignal = (): void => {
    received += 1
    void pipeline.stop(received === 1 ? {} : { drainTimeoutMs: 0 })
  }
  const onStopped = ({ error }: { readonly error?: unknown }): void => {
    undo()
    exitLater(error !== undefined)
  }
  const undo = (): void => {
    for (const signal of signals) process.off(signal, onSignal)
    pipeline.off('stopped', onStopped)
  }
  for (const signal of signals) process.on(signal, onSignal)
  pipeline.once('stopped', onStopped)
  return undo
}
