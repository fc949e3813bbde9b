/** What can be wrong with a run, and which invariant that breaks. */
export const violationKinds = {
  lost: 'an event never arrived',
  unexpected: 'a message is of no event',
  unknownWrite: 'an acknowledged write is no event',
  order: 'an event arrived for the first time after a newer one of its document',
  staleLast: 'the last message of a document is not its newest, and not a copy from a connection that was given up',
  passedUnconfirmed: 'a position was saved that passes an unconfirmed event',
  wentBack: 'a saved position went back',
  copies: 'more copies than restarts and reconnects explain',
  overEvents: 'more events in flight than `maxInFlight`',
  overBytes: 'more bytes in flight than `maxInFlightBytes` and one event',
  notRecovered: 'not everything was confirmed in time after the last fault was healed',
  copiesAfterStop: 'messages after a clean stop and a start',
  unstable: 'one message id with two bodies, or one event with two message ids',
  slowStop: 'a stop took longer than its deadline',
  endedByItself: 'the pipeline ended by itself',
  secret: 'a password was printed',
} as const

export type ViolationKind = keyof typeof violationKinds

export interface Violation {
  readonly kind: ViolationKind
  readonly count: number
  /** A few of them, in words. */
  readonly examples: readonly string[]
}

const EXAMPLES = 5

/** Nothing where there is nothing to tell. */
export function violation(kind: ViolationKind, found: readonly string[]): Violation[] {
  return found.length === 0 ? [] : [{ kind, count: found.length, examples: found.slice(0, EXAMPLES) }]
}
