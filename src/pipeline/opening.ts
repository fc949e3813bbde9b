import { CdcError, messageOf } from '../errors.js'
import type { Position } from '../types.js'
import { abortable } from '../waiting.js'
import type { Checkpointer } from './checkpointer.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'

/** What a start may be stuck at. */
export type StartStage =
  | 'loading the checkpoint'
  | 'asking the source where to start'
  | 'saving the first position'
  | 'opening the sink'
  | 'opening the source'

/**
 * What comes before reading: the position to go on from, and an open sink. The first position of a first run is saved
 * before anything is opened, so that a crash a moment later loses nothing. `stage` is told what is being done.
 */
export async function openParts<E, M>(
  { source, sink }: ResolvedOptions<E, M>,
  flow: Flow<E, M>,
  signal: AbortSignal,
  stage: (name: StartStage) => void,
): Promise<Position | undefined> {
  stage('loading the checkpoint')
  let position = await abortable(signal, () => flow.checkpointer.load(signal))
  if (!position && source.startPosition) {
    stage('asking the source where to start')
    const first = await abortable(signal, () => source.startPosition?.({ signal }))
    if (first) {
      stage('saving the first position')
      await abortable(signal, () => flow.checkpointer.saveFirst(first, signal))
      position = first
    }
  }
  stage('opening the sink')
  await abortable(signal, () => sink.open?.({ signal }))
  return position
}

/** The error of a start that took too long, with what the part that it waits for has last said. */
export function startTimedOut<E, M>(
  ms: number | undefined,
  stage: StartStage,
  parts: ResolvedOptions<E, M>,
  checkpointer: Checkpointer,
): CdcError {
  const cause = lastError(stage, parts, checkpointer)
  const said = cause === undefined ? '' : `: ${messageOf(cause)}`
  const text = `Expected \`start()\` to finish within ${ms} ms, got stuck at ${stage}${said}`
  const hint = 'raise `startTimeoutMs`, or leave it out to wait'
  return new CdcError('CDC_START_TIMEOUT', text, { cause, hint, retryable: true })
}

function lastError<E, M>(
  stage: StartStage,
  { source, sink }: ResolvedOptions<E, M>,
  checkpointer: Checkpointer,
): unknown {
  if (stage === 'loading the checkpoint' || stage === 'saving the first position') return checkpointer.error
  const said = (stage === 'opening the sink' ? sink : source).health?.().error
  return said === undefined ? undefined : new Error(said)
}
