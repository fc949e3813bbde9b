import { OptionsError } from './errors.js'
import { assertFunction } from './options.js'

/**
 * What makes a transform is a function, like a transform: a forgotten `()` would show only at the first event. So the
 * factories are marked, by a property, so that another copy of this package knows them too.
 */
const FACTORY = Symbol.for('mongo-rabbit-cdc.factory')

/** Marks a function that makes a transform. */
export function markFactory(name: string, factory: object): void {
  Object.defineProperty(factory, FACTORY, { value: name })
}

/** A function that isn't one of our factories. @throws OptionsError */
export function assertTransform<T>(name: string, value: T): T {
  assertFunction(name, value)
  const factory = (value as { readonly [FACTORY]?: unknown })[FACTORY]
  if (factory === undefined) return value
  const text = `Expected \`${name}\` to be a transform, got the factory \`${factory}\`: call it, \`${factory}()\``
  throw new OptionsError('CDC_OPTION_INVALID', text)
}

/** Gives a function its name, which a bundler may have changed and errors show. */
export function named<F extends object>(name: string, transform: F): F {
  return Object.defineProperty(transform, 'name', { value: name, configurable: true })
}
