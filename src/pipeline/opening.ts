import { CdcError, messageOf } from '../errors.js'
import type { StopReason } from '../events.js'
import type { Position } from '../types.js'
import { abortable } from '../waiting.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Terms } from './terms.js'

/** What is being done at start, and whose failure it would be. */
export interface OpeningStage {
  readonly name: string
  readonly part: StopReason
}

/** Is told what is being done. */
export type StageListener = (stage: OpeningStage) => void

/**
 * The position to go on from. That of a first run is saved before anything is read, so that a crash a moment later loses
 * nothing. Where the record is gone although this process has been further, it is no first run: it goes on from `known`.
 */
export async function findPosition<E, M>(
  { source }: ResolvedOptions<E, M>,
  { checkpointer }: Flow<E, M>,
  signal: AbortSignal,
  stage: StageListener,
  known?: Position,
): Promise<Position | undefined> {
  stage({ name: 'loading the checkpoint', part: 'checkpoint' })
  const position = await abortable(signal, () => checkpointer.load(signal))
  if (position) return position
  if (!known) stage({ name: 'asking the source where to start', part: 'source' })
  const first = known ?? (await abortable(signal, async () => source.startPosition?.({ signal })))
  if (!first) return undefined
  stage({ name: 'saving the first position', part: 'checkpoint' })
  await abortable(signal, () => checkpointer.saveFirst(first, signal))
  return first
}

/** Opens the sink, and that of dead letters where it is another. */
export async function openSinks<E, M>(
  { sink, deadLetter }: ResolvedOptions<E, M>,
  signal: AbortSignal,
  stage: StageListener,
  mayPublish?: () => boolean,
): Promise<void> {
  const options = { signal, ...(mayPublish && { mayPublish }) }
  stage({ name: 'opening the sink', part: 'sink' })
  await abortable(signal, () => sink.open?.(options))
  if (!deadLetter?.sink || deadLetter.sink === sink) return
  stage({ name: 'opening the sink of dead letters', part: 'sink' })
  await abortable(signal, () => deadLetter.sink?.open?.(options))
}

/** The error of a start that took too long, with what the part that it waits for has last said. */
export function startTimedOut<E, M>(
  ms: number | undefined,
  stage: OpeningStage,
  parts: ResolvedOptions<E, M>,
  terms: Terms<E, M>,
): CdcError {
  const cause = lastError(stage, parts, terms)
  const said = cause === undefined ? '' : `: ${messageOf(cause)}`
  const text = `Expected \`start()\` to finish within ${ms} ms, got stuck at ${stage.name}${said}`
  const hint = 'raise `startTimeoutMs`, or leave it out to wait'
  return new CdcError('CDC_START_TIMEOUT', text, { cause, hint, retryable: true })
}

function lastError<E, M>(
  { part }: OpeningStage,
  { source, sink }: ResolvedOptions<E, M>,
  { flow, lease }: Terms<E, M>,
): unknown {
  if (part === 'checkpoint' && flow.checkpointer.error !== undefined) return flow.checkpointer.error
  const said = part === 'checkpoint' ? lease?.error : (part === 'sink' ? sink : source).health?.().error
  return said === undefined ? undefined : new Error(said)
}
