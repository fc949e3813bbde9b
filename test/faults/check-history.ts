import { checkArrivals, staleEnds } from './check-arrivals.js'
import { checkPositions } from './check-positions.js'
import { checkProcess, peaksOf } from './check-process.js'
import type { Arrival, History } from './history.js'
import { abandoned, explainedCopies } from './log-facts.js'
import { type Violation, type ViolationKind, violation } from './verdict.js'

/** What a run came to. */
export interface Verdict {
  readonly violations: readonly Violation[]
  readonly figures: {
    readonly events: number
    readonly arrived: number
    readonly deadLetters: number
    /** Beside the first of each message. */
    readonly copies: number
    /** That restarts and reconnects explain. */
    readonly copiesExplained: number
    /** Documents whose last message is an old copy from a connection that was given up. */
    readonly lateCopies: number
    readonly saves: number
    readonly peakEvents: number
    readonly peakBytes: number
    readonly recoveryMs: number | undefined
  }
}

/** Judges a run. Pure: the same history, the same verdict. */
export function checkHistory(history: History): Verdict {
  const { truth, arrivals, letters, log, recovery } = history
  const tokens = truth.map(({ token }) => token)
  if (tokens.some((token, i) => i > 0 && token <= (tokens[i - 1] as string))) {
    throw new Error('Expected the truth in the order of its tokens')
  }
  const copies = copiesOf([...arrivals, ...letters])
  const copiesExplained = explainedCopies(log, tokens)
  const stale = staleEnds(history)
  const given = abandoned(log)
  const unexplained = [...stale].filter(([, token]) => !given.has(token))
  const peaks = peaksOf(log)
  return {
    violations: [
      ...checkArrivals(history),
      ...violation(
        'staleLast',
        unexplained.map(([document, token]) => `${document} ends with ${token}`),
      ),
      ...checkPositions(history),
      ...violation('copies', copies > copiesExplained ? [`${copies} copies, ${copiesExplained} explained`] : []),
      ...checkProcess(history),
    ],
    figures: {
      events: truth.length,
      arrived: arrivals.length,
      deadLetters: letters.length,
      copies,
      copiesExplained,
      lateCopies: stale.size - unexplained.length,
      saves: log.filter(({ kind }) => kind === 'saved').length,
      peakEvents: peaks.events,
      peakBytes: peaks.bytes,
      recoveryMs: recovery.ms,
    },
  }
}

/** How often something of this kind was found. */
export function countOf({ violations }: Verdict, kind: ViolationKind): number {
  return violations.find(found => found.kind === kind)?.count ?? 0
}

function copiesOf(arrivals: readonly Arrival[]): number {
  return arrivals.length - new Set(arrivals.map(({ messageId }) => messageId)).size
}
