import type { Position } from '../types.js'
import { abortable } from '../waiting.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'

/**
 * What comes before reading: the position to go on from, and an open sink. The first position of a first run is saved
 * before anything is opened, so that a crash a moment later loses nothing. `stage` is told what is being done.
 */
export async function openParts<E, M>(
  { source, sink }: ResolvedOptions<E, M>,
  flow: Flow<E, M>,
  signal: AbortSignal,
  stage: (name: string) => void,
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
