import { isCdcError, TransformError } from '../errors.js'
import type { EventRecord } from './job.js'
import type { Ordering } from './pipeline-options.js'

/** The lane of an event, or why it has none. */
export interface OrderingKey {
  /** Absent: a barrier. */
  readonly key: string | undefined
  readonly keyError?: unknown
}

/**
 * The lane of an event. One whose `ordering` function throws is a barrier, which keeps every order, and fails when its
 * turn comes, so that the policy decides about it like about any other.
 */
export function orderingKey<E>(ordering: Ordering<E>, record: EventRecord<E>): OrderingKey {
  if (typeof ordering !== 'function' || record.key === undefined) return { key: record.key }
  try {
    const key: unknown = ordering(record.event)
    if (key === undefined || typeof key === 'string') return { key }
    throw new TransformError('CDC_TRANSFORM_FAILED', `Expected \`ordering\` to return a string, got a ${typeof key}`)
  } catch (cause) {
    if (isCdcError(cause)) return { key: undefined, keyError: cause }
    const keyError = new TransformError('CDC_TRANSFORM_FAILED', 'The function in `ordering` threw, see `cause`', {
      cause,
    })
    return { key: undefined, keyError }
  }
}
