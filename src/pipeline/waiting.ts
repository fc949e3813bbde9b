/** A promise with its ends, for what is settled by an event. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** `Promise.withResolvers`, which Node 20 has not. */
export function deferred<T>(): Deferred<T> {
  let resolve!: Deferred<T>['resolve']
  let reject!: Deferred<T>['reject']
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** The result of the call, or a rejection with the reason of the signal, for parts that don't heed the signal. */
export function abortable<T>(signal: AbortSignal, call: () => Promise<T> | T): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    new Promise<T>(run => run(call())).then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** Waits for a call whose failure changes nothing any more. Never rejects. */
export async function quietly(call: () => unknown): Promise<void> {
  try {
    await call()
  } catch {
    // It closes something: there is nothing left to do about it.
  }
}
