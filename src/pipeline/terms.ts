import { openSinks, type StageListener } from './opening.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Report } from './report.js'
import { Term, type TermHooks } from './term.js'

/** Whether this instance reads and publishes, or waits for the lease. */
export type Standing = 'running' | 'standby'

/** What a lease is like at the moment. */
export interface LeaseSummary {
  /** Whether this instance has it. */
  readonly held: boolean
  /** Grows each time the lease is given; absent while another instance has it. */
  readonly epoch?: number
  /** For how long this instance may publish if no renewal succeeds, in milliseconds; absent likewise. */
  readonly validForMs?: number
  /** The message of what the last attempt to get or renew it failed with, until one succeeds. */
  readonly error?: string
}

/** What the terms tell. */
export interface TermsHooks extends TermHooks {
  /** What this instance does from now on: the stream stands, or another instance has the lease. */
  readonly stands: (standing: Standing) => void
}

/** What the lifecycle begins, pauses and ends: one term or, with a lease, one after the other. */
export interface Terms<E, M> {
  /** Of the present term. */
  readonly flow: Flow<E, M>
  /** Resolves when the last reading has ended. Never rejects. */
  readonly reading: Promise<void>
  readonly lease?: LeaseSummary
  /** With a lease: the store has answered neither a question nor a renewal for longer than the lease's time. */
  readonly unanswered?: boolean
  /** Resolves when `stands` has been told, like `resume`. */
  open(stage: StageListener): Promise<void>
  pause(reason: unknown): Promise<void>
  resume(): Promise<void>
  /** Reads nothing more, and waits for nothing. */
  end(reason: unknown): void
  /** The lease isn't needed any more; unless all is `closed` something may still go out. Never rejects. */
  leave?(closed: boolean): Promise<void>
}

/** Without a lease: one term. Its first position is saved before anything is opened. */
export function singleTerm<E, M>(options: ResolvedOptions<E, M>, report: Report, hooks: TermsHooks): Terms<E, M> {
  const term = new Term(options, report, hooks)
  return {
    flow: term.flow,
    get reading() {
      return term.reading
    },
    async open(stage) {
      await term.find(stage)
      await openSinks(options, term.signal, stage)
      await term.read(stage)
      hooks.stands('running')
    },
    pause: reason => term.pause(reason),
    async resume() {
      await term.resume()
      hooks.stands('running')
    },
    end: reason => term.end(reason),
  }
}
