/** Whether a value has to be waited for. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Goes on with a value: at once, or later where it is a promise, so that what is synchronous stays so. */
export function goOnWith<T, R>(value: T | PromiseLike<T>, goOn: (value: T) => R): R | Promise<Awaited<R>> {
  if (!isPromise(value)) return goOn(value as T)
  return Promise.resolve(value as PromiseLike<T>).then(goOn) as Promise<Awaited<R>>
}
