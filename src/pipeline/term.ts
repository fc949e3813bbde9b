import type { StopReason } from '../events.js'
import type { Position } from '../types.js'
import { abortable } from '../waiting.js'
import { Intake } from './intake.js'
import { findPosition, type StageListener } from './opening.js'
import { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'
import type { Report } from './report.js'
import type { Tenure } from './tenure.js'

/** How a term can come to an end without being asked to. */
export interface TermHooks {
  /** The source has nothing more. */
  readonly ended: () => void
  readonly failed: (error: unknown, part: StopReason) => void
}

/** Reading and publishing from a stored position on: the whole run or, with a lease, as long as it is held. */
export class Term<E, M> {
  readonly flow: Flow<E, M>
  readonly #options: ResolvedOptions<E, M>
  readonly #intake: Intake<E, M>
  /** Ends its beginning. */
  readonly #life = new AbortController()
  #after: Position | undefined
  /** How far the terms before have come. */
  readonly #known: Position | undefined

  /** `before` hands its peaks on, and how far it has come. */
  constructor(
    options: ResolvedOptions<E, M>,
    report: Report,
    hooks: TermHooks,
    { tenure, before }: { readonly tenure?: Tenure | undefined; readonly before?: Term<E, M> | undefined } = {},
  ) {
    this.#options = options
    this.#known = before?.reached
    const flowHooks = {
      fatal: (error: unknown) => hooks.failed(error, 'event-failed'),
      fenced: (error: unknown) => hooks.failed(error, 'checkpoint'),
    }
    this.flow = new Flow(options, report, flowHooks, { tenure, before: before?.flow.span })
    this.#intake = new Intake(options, this.flow, {
      ended: hooks.ended,
      failed: error => hooks.failed(error, 'source'),
    })
  }

  /** Resolves when the last reading has ended. Never rejects. */
  get reading(): Promise<void> {
    return this.#intake.reading
  }

  /** Aborted when it ends. */
  get signal(): AbortSignal {
    return this.#life.signal
  }

  /** Behind everything that is settled; absent until a position is known. */
  get reached(): Position | undefined {
    return this.flow.span.settledPosition ?? this.#after ?? this.#known
  }

  /** Finds the position to go on from; the first one of a first run is saved. */
  async find(stage: StageListener): Promise<void> {
    this.#after = await findPosition(this.#options, this.flow, this.#life.signal, stage, this.#known)
  }

  /** Opens the source there; resolves when the stream stands. */
  async read(stage: StageListener): Promise<void> {
    const { signal } = this.#life
    stage({ name: 'opening the source', part: 'source' })
    await abortable(signal, () => this.#intake.open(this.#after))
    signal.throwIfAborted() // an end, or a fatal first event, between the first batch and this line
  }

  /** Everything that was admitted is settled and saved before it resolves: a resume reads nothing twice. */
  async pause(reason: unknown): Promise<void> {
    this.#intake.end(reason)
    await this.reading
    await this.flow.whenQuiet()
    await this.flow.checkpointer.flush()
  }

  async resume(): Promise<void> {
    await this.#intake.open(this.flow.span.settledPosition ?? this.#after)
  }

  /** Reads nothing more; what was admitted goes on. */
  end(reason: unknown): void {
    this.#life.abort(reason)
    this.#intake.end(reason)
  }

  /** Stops at once: nothing more is published or saved, and whatever is still confirmed counts for nothing. */
  drop(reason: unknown): void {
    this.end(reason)
    this.flow.drop(reason)
  }
}
