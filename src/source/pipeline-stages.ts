import type { Document } from 'mongodb'
import { OptionsError } from '../errors.js'

/** What can be said of the stages of `pipeline` before the server runs them. Pure. */

const STAGES = ['$addFields', '$match', '$project', '$redact', '$replaceRoot', '$replaceWith', '$set', '$unset']

/** Refuses what the server would only refuse at the first event: a stage that takes the resume token away. */
export function assertStages(pipeline: readonly Document[]): readonly Document[] {
  if (!Array.isArray(pipeline)) throw invalid('Expected `pipeline` to be an array of stages')
  pipeline.forEach((stage, index) => {
    const names = typeof stage === 'object' && stage !== null ? Object.keys(stage) : []
    const name = names[0] ?? ''
    if (names.length !== 1 || !STAGES.includes(name)) {
      throw invalid(`Expected \`pipeline[${index}]\` to be one of the stages ${STAGES.join(', ')}`)
    }
    if (losesId(name, stage[name])) {
      const text = `Stage ${name} in \`pipeline[${index}]\` removes or changes \`_id\`, the resume token of the event`
      throw new OptionsError('CDC_EVENT_ID_LOST', text)
    }
  })
  return pipeline
}

function losesId(stage: string, body: unknown): boolean {
  if (stage === '$unset') return [body].flat().some(path => path === '_id' || String(path).startsWith('_id.'))
  if (stage === '$replaceRoot' || stage === '$replaceWith') return false // only the server can tell: error 280
  if (stage === '$match' || stage === '$redact' || typeof body !== 'object' || body === null) return false
  return Object.entries(body).some(([path, value]) => {
    const isId = path === '_id' || path.startsWith('_id.')
    return isId && !(stage === '$project' && (value === 1 || value === true))
  })
}

/**
 * Whether the namespace and the key that come out of these stages are those of the document, as far as they are there:
 * by others another document would be found.
 */
export function keepsKey(pipeline: readonly Document[]): boolean {
  return !pipeline.some(stage => Object.entries(stage).some(([name, body]) => rewritesKey(name, body)))
}

function rewritesKey(stage: string, body: unknown): boolean {
  if (stage === '$replaceRoot' || stage === '$replaceWith') return true
  if (stage === '$match' || stage === '$redact' || stage === '$unset') return false
  return Object.entries(body ?? {}).some(([path, value]) => {
    const isPart = /^(ns|documentKey)(\.|$)/.test(path)
    return isPart && !(stage === '$project' && KEEPS_OR_REMOVES.includes(value))
  })
}

const KEEPS_OR_REMOVES: readonly unknown[] = [0, 1, false, true]

function invalid(message: string): OptionsError {
  return new OptionsError('CDC_OPTION_INVALID', message)
}
