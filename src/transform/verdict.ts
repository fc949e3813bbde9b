import { TransformError } from '../errors.js'

/** What a predicate said; `undefined` is an error, since a forgotten `return` would drop or misdirect every event. */
export function verdictOf(verdict: boolean | undefined, step: string): boolean {
  if (verdict !== undefined) return verdict
  throw new TransformError(
    'CDC_TRANSFORM_UNDEFINED',
    `Expected the \`predicate\` of ${step} to return true or false, got undefined`,
    { hint: 'most often a forgotten `return`; compare a field that may be missing, as in `event.a === 1`' },
  )
}
