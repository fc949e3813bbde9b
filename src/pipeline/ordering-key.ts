import { TransformError } from '../errors.js'
import type { EventRecord } from './job.js'
import type { Ordering } from './pipeline-options.js'
import { threw } from './threw.js'

/** The lane of an event, or why it has none. */
export interface LaneKey {
  /** Absent: a barrier. */
  readonly key: string | undefined
  readonly keyError?: unknown
}

/**
 * The lane of an event. One whose `ordering` function throws is a barrier, which keeps every order, and fails when its
 * turn comes, so that the policy decides about it like about any other.
 */
export function laneOf<E>(ordering: Ordering<E>, record: EventRecord<E>): LaneKey {
  if (typeof ordering !== 'function' || record.key === undefined) return { key: record.key }
  try {
    const key: unknown = ordering(record.event)
    if (key === undefined || typeof key === 'string') return { key }
    throw new TransformError('CDC_TRANSFORM_FAILED', `Expected \`ordering\` to return a string, got a ${typeof key}`)
  } catch (cause) {
    return { key: undefined, keyError: threw('The function in `ordering`', cause) }
  }
}
