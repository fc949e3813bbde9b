import type { Delivery } from './types.js'

/** Takes the broker's word on messages: one object for all messages of a caller, each told by its own token. */
export interface Answers<T> {
  /** The message is safe. */
  confirmed(token: T): void
  /** It was refused, as the promise of `publish` would be rejected. */
  refused(token: T, error: unknown): void
}

/** A message that was checked. */
export interface Prepared {
  /** Of its body and its headers. */
  readonly bytes: number
}

/**
 * What a sink's `publish` does, without a promise per message and the closures that wait for it: with a thousand
 * messages in flight those are a good part of all objects. In two steps, so that a message is looked through once, and
 * not for its size and for its errors.
 */
export interface DirectPublish {
  /** Throws what the promise of `publish` would be rejected with. */
  prepare(sink: unknown, message: unknown, delivery: Delivery): Prepared
  /** Each message is answered once, never before the call returns. */
  publish<T>(sink: unknown, prepared: Prepared, answers: Answers<T>, token: T): void
}

// By the function itself: whoever replaces or wraps `publish` of a sink has replaced this too, for messages to come.
const direct = new WeakMap<(...given: never[]) => unknown, DirectPublish>()

/** Says how a `publish` is done directly. */
export function markDirect(publish: (...given: never[]) => unknown, how: DirectPublish): void {
  direct.set(publish, how)
}

/** How this `publish` is done directly, where its sink is one of ours. */
export function directOf(publish: (...given: never[]) => unknown): DirectPublish | undefined {
  return direct.get(publish)
}
