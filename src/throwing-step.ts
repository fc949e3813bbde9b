/** Which step of a pipe threw an error: told beside the error, which stays the one that the user's code threw. */
const steps = new WeakMap<object, string>()

/** Remembers the innermost step that threw this. */
export function noteStep(error: unknown, step: string): void {
  if (typeof error === 'object' && error !== null && !steps.has(error)) steps.set(error, step)
}

/** The step that threw this, if it was one of a pipe. */
export function stepOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? steps.get(error) : undefined
}
