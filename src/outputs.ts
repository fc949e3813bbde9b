import { TransformError } from './errors.js'

/**
 * What a transform has made, of what it returned: one or several, `null` left out; empty when the event is filtered.
 *
 * @throws TransformError `CDC_TRANSFORM_UNDEFINED` for `undefined`, also within an array: a forgotten `return` must not
 * filter.
 */
export function outputsOf<O>(returned: unknown): readonly O[] {
  const outputs: readonly unknown[] = Array.isArray(returned) ? returned : [returned]
  const hole = outputs.indexOf(undefined)
  if (hole !== -1) throw undefinedOutput(Array.isArray(returned) ? hole : undefined)
  return (outputs.includes(null) ? outputs.filter(output => output !== null) : outputs) as readonly O[]
}

function undefinedOutput(index: number | undefined): TransformError {
  const where = index === undefined ? '' : ` at index ${index} of an array`
  const text = `Expected a transform to return messages, got \`undefined\`${where}`
  return new TransformError('CDC_TRANSFORM_UNDEFINED', text, {
    hint: 'A `return` may be missing; return `null` or an empty array to publish nothing',
  })
}
