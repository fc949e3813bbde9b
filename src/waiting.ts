/** Everything that waits: for time, for a promise at most so long, or until a signal ends it. */

/** Resolves after `ms` milliseconds; rejects with the reason of the signal when it is aborted before. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The result of `promise`, or the result of `otherwise()` when it has not settled within `ms` milliseconds. */
export function withDeadline<T, F>(promise: Promise<T>, ms: number, otherwise: () => F): Promise<T | F> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(otherwise())
      } catch (error) {
        reject(error)
      }
    }, ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** Resolves when the promise has settled or the time is over, whichever is first; never rejects. */
export async function settledWithin(promise: Promise<unknown>, ms: number): Promise<void> {
  await isSettledWithin(promise, ms)
}

/** As `settledWithin`; tells whether it has settled. */
export function isSettledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  )
  return withDeadline(settled, ms, () => false)
}

/** The result of the call, or a rejection with the reason of the signal, for calls that don't heed the signal. */
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
