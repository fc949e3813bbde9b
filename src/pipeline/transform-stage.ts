import { TransformError } from '../errors.js'
import { outputsOf } from '../outputs.js'
import type { Transform, TransformContext } from '../types.js'
import { Fifo } from './fifo.js'
import { type EventRecord, isThenable } from './job.js'
import { threw } from './threw.js'

/** How transforms are run. */
export interface TransformStageOptions<E, M> {
  readonly transform: Transform<E, M>
  readonly transformConcurrency: number
  readonly transformTimeoutMs: number
}

/** Told once per started item, unless the stage was closed before. */
export interface TransformStageHooks<T, M> {
  /** An empty array: the event is filtered. */
  readonly transformed: (item: T, messages: readonly M[]) => void
  readonly failed: (item: T, error: unknown) => void
}

/** Its signal is made only if the transform asks for it: most don't, and an AbortController costs more than the rest. */
class Context implements TransformContext {
  readonly event: unknown
  readonly id: string
  #controller: AbortController | undefined
  #reason: unknown

  constructor(event: unknown, id: string) {
    this.event = event
    this.id = id
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

/**
 * Calls the transform. A synchronous one runs through without a promise or a timer; of those that return a promise at
 * most `transformConcurrency` run at once, each at most `transformTimeoutMs`.
 */
export class TransformStage<E, M, T extends { readonly record: EventRecord<E> }> {
  readonly #options: TransformStageOptions<E, M>
  readonly #hooks: TransformStageHooks<T, M>
  readonly #waiting = new Fifo<T>()
  readonly #running = new Set<(reason: unknown) => void>()

  constructor(options: TransformStageOptions<E, M>, hooks: TransformStageHooks<T, M>) {
    this.#options = options
    this.#hooks = hooks
  }

  start(item: T): void {
    // Whether it is asynchronous shows only after the call, so with all places taken nobody is called.
    if (this.#running.size >= this.#options.transformConcurrency) this.#waiting.push(item)
    else this.#call(item)
  }

  /** Aborts what runs; nothing is told afterwards. */
  close(reason: unknown): void {
    while (this.#waiting.size > 0) this.#waiting.shift()
    for (const end of this.#running) end(reason)
  }

  #call(item: T): void {
    const context = new Context(item.record.event, item.record.id)
    let output: unknown
    try {
      output = this.#options.transform(item.record.event, context)
    } catch (error) {
      this.#hooks.failed(item, threw('A transform', error))
      return
    }
    if (isThenable(output)) this.#wait(item, output, context)
    else this.#finish(item, output)
  }

  #wait(item: T, output: PromiseLike<unknown>, context: Context): void {
    const { transformTimeoutMs } = this.#options
    const end = (reason: unknown): void => {
      leave()
      context.abort(reason)
    }
    const leave = (): boolean => {
      clearTimeout(timer)
      return this.#running.delete(end) // false: timed out or closed before, a result that comes later is discarded
    }
    const timer = setTimeout(() => {
      const error = transformTimedOut(transformTimeoutMs)
      end(error)
      this.#hooks.failed(item, error)
      this.#next()
    }, transformTimeoutMs)
    this.#running.add(end)
    Promise.resolve(output).then(
      value => {
        if (!leave()) return
        this.#finish(item, value)
        this.#next()
      },
      error => {
        if (!leave()) return
        this.#hooks.failed(item, threw('A transform', error))
        this.#next()
      },
    )
  }

  #next(): void {
    while (this.#waiting.size > 0 && this.#running.size < this.#options.transformConcurrency) {
      this.#call(this.#waiting.shift() as T)
    }
  }

  #finish(item: T, output: unknown): void {
    let messages: readonly M[]
    try {
      messages = outputsOf(output)
    } catch (error) {
      this.#hooks.failed(item, error)
      return
    }
    this.#hooks.transformed(item, messages)
  }
}

function transformTimedOut(ms: number): TransformError {
  return new TransformError('CDC_TRANSFORM_TIMEOUT', `Expected a transform to finish within ${ms} ms, got no result`, {
    hint: 'Raise `transformTimeoutMs`, or end the work when `context.signal` is aborted',
  })
}
