/**
 * Numbers in EJSON. Relaxed: what JavaScript reads back exactly is a JSON number, everything else is wrapped.
 * Canonical: always wrapped, so that the type survives.
 */

const INT32_MAX = 2 ** 31 - 1
const INT32_MIN = -(2 ** 31)
const INT64_LIMIT = 2n ** 63n
/** The range within which the BSON library turns an Int64 into a number: the limits belong to it. */
const PROMOTED = 2 ** 53

/** A double, or any number in relaxed mode. */
export function doubleText(value: number, relaxed: boolean): string {
  // `-0` is a JSON number, and reads back as -0.
  if (relaxed && Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  if (Object.is(value, -0)) return '{"$numberDouble":"-0.0"}'
  return `{"$numberDouble":"${Number.isInteger(value) ? value.toFixed(1) : value}"}`
}

/**
 * A number that is no wrapper. Canonical takes the smallest BSON type that holds it, but beyond ±2^53 a double: such an
 * Int64 is never promoted to a number, so the number was a double, and would come back as another type.
 */
export function numberText(value: number, relaxed: boolean): string {
  if (relaxed) return doubleText(value, true)
  if (!Number.isInteger(value) || Object.is(value, -0)) return doubleText(value, false)
  if (value >= INT32_MIN && value <= INT32_MAX) return int32Text(value, false)
  return Math.abs(value) <= PROMOTED ? `{"$numberLong":"${value}"}` : doubleText(value, false)
}

/** An Int32. */
export function int32Text(value: number, relaxed: boolean): string {
  return relaxed ? String(value) : `{"$numberInt":"${value}"}`
}

/**
 * An Int64, `undefined` when it doesn't fit 64 bits. Relaxed: a number up to ±2^53 inclusive, since
 * that is where promoted values end, and bytes must not depend on whether a value was promoted.
 */
export function int64Text(value: number | bigint, relaxed: boolean): string | undefined {
  if (relaxed && value >= -PROMOTED && value <= PROMOTED) return String(value)
  if (value < -INT64_LIMIT || value >= INT64_LIMIT) return undefined
  return `{"$numberLong":"${value}"}`
}
