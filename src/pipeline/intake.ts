import type { Position } from '../types.js'
import { deferred } from '../waiting.js'
import type { Flow } from './pipeline.js'
import type { ResolvedOptions } from './pipeline-options.js'

/** How reading can come to an end without being asked to. */
export interface IntakeHooks {
  /** The source has nothing more; not told before the stream stood. */
  readonly ended: () => void
  /** The source gave up; before the stream stood only the promise of `open` tells. */
  readonly failed: (error: unknown) => void
}

/** Reading from the source, which can be ended and begun again. */
export class Intake<E, M> {
  readonly #options: ResolvedOptions<E, M>
  readonly #flow: Flow<E, M>
  readonly #hooks: IntakeHooks
  #abort = new AbortController()
  #reading: Promise<void> = Promise.resolve()

  constructor(options: ResolvedOptions<E, M>, flow: Flow<E, M>, hooks: IntakeHooks) {
    this.#options = options
    this.#flow = flow
    this.#hooks = hooks
  }

  /** Resolves when the last reading has ended. Never rejects. */
  get reading(): Promise<void> {
    return this.#reading
  }

  /** Begins to read; resolves when the stream stands. Only one reading at a time. */
  open(after: Position | undefined): Promise<void> {
    const { source, checkpointStore } = this.#options
    this.#abort = new AbortController()
    const { signal } = this.#abort
    const exclude = checkpointStore.namespace ? [checkpointStore.namespace] : []
    const stands = deferred<void>()
    let stood = false
    const onBatch = (): void => {
      stood = true
      stands.resolve()
    }
    const batches = source.open({ signal, exclude, ...(after && { after }) })
    this.#reading = this.#flow.read(batches, signal, onBatch).then(
      () => {
        stands.resolve()
        if (!signal.aborted) this.#hooks.ended()
      },
      error => {
        stands.reject(error)
        if (stood && !signal.aborted) this.#hooks.failed(error)
      },
    )
    return stands.promise
  }

  /** Admits nothing more; `reading` tells when the source has heard of it. */
  end(reason: unknown): void {
    this.#abort.abort(reason)
  }
}
