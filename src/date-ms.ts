/**
 * Where a date keeps its milliseconds when JavaScript can't hold them. BSON dates are 64-bit, a `Date` ends at
 * ±8.64e15 ms and is an Invalid Date beyond: the source puts the real value on it under this symbol, as a `bigint`,
 * and the encoder and the document id read it from there. A symbol, because no field of a document can collide with it.
 */
export const dateMs: unique symbol = Symbol.for('mongo-rabbit-cdc.dateMs')

/** The milliseconds since 1970 of a date, also beyond JavaScript's range; `undefined` for an Invalid Date without them. */
export function millisecondsOf(date: Date): number | bigint | undefined {
  const ms = date.getTime()
  if (!Number.isNaN(ms)) return ms
  const exact = (date as Date & { readonly [dateMs]?: unknown })[dateMs]
  return typeof exact === 'bigint' ? exact : undefined
}
