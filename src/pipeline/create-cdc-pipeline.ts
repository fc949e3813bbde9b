import { OptionsError } from '../errors.js'
import { needsOf } from '../needs.js'
import type { Source } from '../types.js'
import type { CdcPipeline } from './cdc-pipeline.js'
import { Pipeline } from './lifecycle.js'
import { type CdcPipelineOptions, resolvePipelineOptions } from './pipeline-options.js'

/**
 * Wires a source, a transform, a sink and a checkpoint store. Nothing is touched before `start()` or `run()`. Throws
 * `CDC_OPTION_INVALID` for a value out of its range or a source that can't give what the transform needs,
 * `CDC_OPTION_UNKNOWN` for an option that does not exist.
 */
export function createCdcPipeline<E, M>(options: CdcPipelineOptions<E, M>): CdcPipeline {
  const resolved = resolvePipelineOptions(options)
  if (needsOf(options.transform).exactTypes) askForExactTypes(options.source)
  return new Pipeline(resolved)
}

/** Canonical EJSON tells an int from a double, which decoding to JavaScript numbers would make alike. */
function askForExactTypes<E>(source: Source<E>): void {
  if (source.useExactTypes === undefined) {
    const text = 'Expected `source` to keep BSON types for canonical EJSON, got one without `useExactTypes`'
    throw new OptionsError('CDC_OPTION_INVALID', text)
  }
  source.useExactTypes()
}
