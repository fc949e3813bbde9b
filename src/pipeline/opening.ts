import { CdcError, messageOf } from '../errors.js'
import type { StopReason } from '../events.js'
import type { Position } from '../types.js'
import { abortable } from '../waiting.js'
import type { Checkpointer } from './checkpointer.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'

/** What is being done at start, and whose failure it would be. */
export interface OpeningStage {
  readonly name: string
  readonly part: StopReason
}

/**
 * What comes before reading: the position to go on from, and open sinks. The first position of a first run is saved
 * before anything is opened, so that a crash a moment later loses nothing. `stage` is told what is being done.
 */
export async function openParts<E, M>(
  { source, sink, deadLetter }: ResolvedOptions<E, M>,
  flow: Flow<E, M>,
  signal: AbortSignal,
  stage: (stage: OpeningStage) => void,
): Promise<Position | undefined> {
  stage({ name: 'loading the checkpoint', part: 'checkpoint' })
  let position = await abortable(signal, () => flow.checkpointer.load(signal))
  if (!position && source.startPosition) {
    stage({ name: 'asking the source where to start', part: 'source' })
    const first = await abortable(signal, () => source.startPosition?.({ signal }))
    if (first) {
      stage({ name: 'saving the first position', part: 'checkpoint' })
      await abortable(signal, () => flow.checkpointer.saveFirst(first, signal))
      position = first
    }
  }
  stage({ name: 'opening the sink', part: 'sink' })
  await abortable(signal, () => sink.open?.({ signal }))
  if (deadLetter?.sink && deadLetter.sink !== sink) {
    stage({ name: 'opening the sink of dead letters', part: 'sink' })
    await abortable(signal, () => deadLetter.sink?.open?.({ signal }))
  }
  stage({ name: 'opening the source', part: 'source' })
  return position
}

/** The error of a start that took too long, with what the part that it waits for has last said. */
export function startTimedOut<E, M>(
  ms: number | undefined,
  stage: OpeningStage,
  parts: ResolvedOptions<E, M>,
  checkpointer: Checkpointer,
): CdcError {
  const cause = lastError(stage, parts, checkpointer)
  const said = cause === undefined ? '' : `: ${messageOf(cause)}`
  const text = `Expected \`start()\` to finish within ${ms} ms, got stuck at ${stage.name}${said}`
  const hint = 'raise `startTimeoutMs`, or leave it out to wait'
  return new CdcError('CDC_START_TIMEOUT', text, { cause, hint, retryable: true })
}

function lastError<E, M>(
  { part }: OpeningStage,
  { source, sink }: ResolvedOptions<E, M>,
  checkpointer: Checkpointer,
): unknown {
  if (part === 'checkpoint') return checkpointer.error
  const said = (part === 'sink' ? sink : source).health?.().error
  return said === undefined ? undefined : new Error(said)
}
