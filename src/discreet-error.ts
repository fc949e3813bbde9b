/**
 * Errors of ours name the field that is wrong, and names below a field can be data, as in a map that is keyed by
 * address. Where a later step would have hidden the field, the error is replaced by one that names less.
 */
const DISCREET = Symbol.for('mongo-rabbit-cdc.discreet')

/** Remembers beside an error how to make one that names no field below the first. Returns the error. */
export function withDiscreet<E extends Error>(error: E, discreet: () => E): E {
  return Object.defineProperty(error, DISCREET, { value: discreet })
}

/** The error that names less; the error itself where it names nothing. */
export function discreetOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || !(DISCREET in error)) return error
  return typeof error[DISCREET] === 'function' ? error[DISCREET]() : error
}
