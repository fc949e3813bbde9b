import type { FailedEventAction } from '../../../../../src/events.js'
import type { Position } from '../../../../../src/types.js'
import type { BrokerBooks } from './broker.js'
import { type Change, isFragile, letterOf, messagesOf, nameIn } from './change.js'
import type { Wired } from './channel.js'

/** One message in the queue. */
export interface Arrival extends Wired {
  readonly name: string
  /** From a connection that its publisher had given up. */
  readonly late: boolean
}

/** A setting that the promises depend on. */
export interface Terms {
  readonly ordering: 'document' | 'pipelined' | 'function'
  readonly laneOf: (change: Change) => string | undefined
  readonly maxAttempts: number
}

/**
 * What has happened so far: kept by the fakes, outside of all that is tested, across crashes and restarts. The
 * invariants are read from it.
 */
export class Ledger implements BrokerBooks {
  readonly terms: Terms
  readonly stream: Change[] = []
  readonly arrivals: Arrival[] = []
  /** Bodies of which the broker has said that it has them. */
  readonly acked = new Set<string>()
  /** What the pipelines have announced about failed events, all of it. */
  readonly decisions = new Map<string, Set<FailedEventAction>>()
  /** Whatever must never happen and shows at once. */
  readonly violations: string[] = []
  /** How many messages may have arrived twice by now. */
  mayRepeat = 0
  /** Records that the source has read again. */
  repeated = 0
  /** Whether the broker has ever refused a message: then later ones of a pipelined stream may be before it. */
  refusals = 0
  late = 0
  /** How many messages had arrived when the process of now began. */
  arrivedBefore = 0
  /** The position that the next process begins with. */
  stored: Position | undefined
  /** The last position that the process of now has saved or tried to save. */
  #lastSave = 0
  /** To where the source has gone back in this process, and no save has followed yet. */
  #backTo: number[] = []
  #wentBack = false
  /** What has arrived before the last clean end: none of it may come again. */
  #finished = new Set<string>()
  readonly #byName = new Map<string, Change>()
  readonly #refusedBodies = new Map<string, number>()

  constructor(terms: Terms) {
    this.terms = terms
  }

  append(change: Change): void {
    this.stream.push(change)
    this.#byName.set(change.name, change)
  }

  change(name: string): Change | undefined {
    return this.#byName.get(name)
  }

  arrived({ id, body }: Wired, late: boolean): void {
    if (late) {
      this.late += 1
      this.mayRepeat += 1
    } else if (this.#finished.has(body)) this.violations.push(`I11: ${body.trim()} came again after a clean end`)
    this.arrivals.push({ id, body, name: nameIn(body), late })
  }

  confirmed({ body }: Wired): void {
    this.acked.add(body)
  }

  refused({ body }: Wired, how: 'nack' | 'return' | 'close'): void {
    this.refusals += 1
    if (how === 'nack') return
    const counts = how === 'close' ? this.terms.maxAttempts : 1
    this.#refusedBodies.set(body, (this.#refusedBodies.get(body) ?? 0) + counts)
  }

  unconfirmed(stored: readonly Wired[]): void {
    this.mayRepeat += stored.length
  }

  decided(name: string, action: FailedEventAction): void {
    const decided = this.decisions.get(name)
    if (decided) decided.add(action)
    else this.decisions.set(name, new Set([action]))
  }

  /** Whether a policy may have been asked about it. */
  mayFail(change: Change): boolean {
    if (isFragile(change)) return true
    return messagesOf(change).some(body => (this.#refusedBodies.get(body) ?? 0) >= this.terms.maxAttempts)
  }

  /** Whether nothing more is to be done about it: confirmed, filtered, skipped, or its dead letter is confirmed. */
  isSettled(change: Change): boolean {
    if (messagesOf(change).every(body => this.acked.has(body))) return true
    if (this.acked.has(letterOf(change))) return this.mayFail(change)
    return this.decisions.get(change.name)?.has('skip') === true && this.mayFail(change)
  }

  /** Names of the changes behind the stored position of which something has arrived; from the `since`th arrival on. */
  arrivedUnsaved(since = 0): ReadonlySet<string> {
    const position = this.stored?.clusterTime.t ?? 0
    const arrived = this.arrivals.slice(since).filter(({ late }) => !late)
    const names = arrived.map(({ name }) => name)
    return new Set(names.filter(name => (this.change(name)?.n ?? 0) > position))
  }

  /** A process begins where it was stored. */
  begun(): void {
    this.#lastSave = this.stored?.clusterTime.t ?? 0
    this.#backTo = []
    this.#wentBack = false
    this.arrivedBefore = this.arrivals.length
  }

  /** Whether a position is older than the one before, and the source has not gone back either. */
  goesBack(position: number): boolean {
    const before = this.#lastSave
    this.#lastSave = position
    if (position >= before) return false
    const reason = this.#backTo.findIndex(to => to <= position)
    this.#backTo.splice(0, reason + 1)
    return reason < 0
  }

  /** A process ended: what arrived and was not saved may come once more. */
  ended(): void {
    const behind = this.arrivedUnsaved()
    this.mayRepeat += new Set(this.arrivals.filter(({ name }) => behind.has(name)).map(({ body }) => body)).size
  }

  /**
   * A process ended, or paused, with everything saved that it has published; where the source has gone back meanwhile,
   * the position may have too.
   */
  endedCleanly(): void {
    const position = this.stored?.clusterTime.t ?? 0
    for (const { body, name, late } of this.arrivals.slice(this.arrivedBefore)) {
      if (late) continue
      if (!this.#wentBack || (this.change(name)?.n ?? 0) <= position) this.#finished.add(body)
    }
  }

  /** The source reads from here once more, and says so. */
  fellBack(from: number, by: number): void {
    this.repeated += by
    this.#backTo.push(from - by)
    this.#wentBack = true
    for (const change of this.stream.slice(from - by, from)) {
      for (const body of [...messagesOf(change), letterOf(change)]) {
        this.mayRepeat += 1
        this.#finished.delete(body)
      }
    }
  }
}
