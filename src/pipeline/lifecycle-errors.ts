import { CdcError, isCdcError, OptionsError } from '../errors.js'
import type { PipelineState } from '../events.js'

/** stop() before the stream stood is a clean end; `done` tells whether it became one. */
export function unlessStopped(error: unknown): void {
  if (!isCdcError(error) || error.code !== 'CDC_START_ABORTED') throw error
}

/** What a stop ends waiting with. */
export function stopping(): CdcError {
  return new CdcError('CDC_START_ABORTED', 'The pipeline is stopping')
}

/** A call that the present state does not allow. */
export function notNow(call: 'start' | 'pause' | 'resume', state: PipelineState): OptionsError {
  const wanted = call === 'start' ? 'new' : 'started'
  const text = `Expected \`${call}()\` on a ${wanted} pipeline, got one that is ${state}`
  return new OptionsError('CDC_STATE_INVALID', text, {
    hint: 'One object, one run: create a new pipeline to start again',
  })
}
