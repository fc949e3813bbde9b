import type { PipelineEvents, PipelineState } from '../events.js'
import type { PartHealth } from '../types.js'

/** Who can degrade a pipeline. */
export type ReasonOf = 'source' | 'sink' | 'dead-letter' | 'nack' | 'checkpoint' | 'lease'

/**
 * The state of a pipeline. Between start and stop it is `running`, or `degraded` as long as anybody gives a reason;
 * the other states are entered by `enter` alone.
 */
export class State {
  readonly #tell: PipelineEvents['state']
  readonly #reasons = new Map<ReasonOf, string>()
  #now: PipelineState = 'idle'

  constructor(tell: PipelineEvents['state']) {
    this.#tell = tell
  }

  get now(): PipelineState {
    return this.#now
  }

  /** Why it is degraded, or would be if it ran; each reason once. */
  get reasons(): readonly string[] {
    return [...new Set(this.#reasons.values())]
  }

  /** Goes to another state; `running` becomes `degraded` when there are reasons. */
  enter(to: PipelineState): void {
    this.#change(to === 'running' && this.#reasons.size > 0 ? 'degraded' : to)
  }

  /** Gives a reason, or with `undefined` takes it back. */
  set(by: ReasonOf, reason: string | undefined): void {
    if (this.#reasons.get(by) === reason) return
    if (reason === undefined) this.#reasons.delete(by)
    else this.#reasons.set(by, reason)
    if (this.#now === 'running' || this.#now === 'degraded') {
      this.#change(this.#reasons.size > 0 ? 'degraded' : 'running', true)
    }
  }

  /** Takes reasons back without telling it, as another state is entered in the same moment. */
  forget(...reasons: readonly ReasonOf[]): void {
    for (const by of reasons) this.#reasons.delete(by)
  }

  /** Takes over what a source or sink says about itself. */
  setHealth(by: 'source' | 'sink' | 'dead-letter', health: PartHealth): void {
    const reason = health.reason ?? `${by} not ok`
    this.set(by, health.ok ? undefined : by === 'dead-letter' ? `dead-letter ${reason}` : reason)
  }

  #change(to: PipelineState, reasonsChanged = false): void {
    const from = this.#now
    if (from === to && !reasonsChanged) return
    this.#now = to
    this.#tell({ from, to, reasons: this.reasons })
  }
}
