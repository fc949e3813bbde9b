import type { TransformContext } from '../types.js'

/** What the types of `pipe` are made of: what a step may return, what the next one gets, what comes out at the end. */

/** What a step may return. `undefined` is left out, so that a forgotten `return` doesn't compile. */
export type Returned = NonNullable<unknown> | null

/** One step of a `pipe`; `R` is its return type as it stands, with promise, array and `null`. */
export type Step<I, R> = (input: I, context?: TransformContext) => R

/** What the step after one that returns `R` gets: awaited, one at a time, never `null`. */
export type Passed<R> =
  Awaited<R> extends infer V ? (V extends readonly (infer Item)[] ? Exclude<Item, null> : Exclude<V, null>) : never

/** What a `pipe` of steps with these return types is. */
export type Piped<I, Rs extends readonly unknown[]> = (input: I, context?: TransformContext) => Outcome<Rs>

/** What comes out of steps with these return types; a promise only where one of them returns one. */
export type Outcome<Rs extends readonly unknown[]> =
  | Value<Ways<Rs>, Passed<Last<Rs>>>
  | ('later' extends Ways<Rs> ? Promise<Value<Ways<AwaitedEach<Rs>>, Passed<Last<Rs>>>> : never)

/** In which ways a return type may come: nothing, one, an array, or any of these later. */
type Way<R> =
  R extends PromiseLike<unknown> ? 'later' : R extends null ? 'none' : R extends readonly unknown[] ? 'many' : 'one'

/** The ways after one more step: it isn't called after `none`, and after `many` once for each, which may be nobody. */
type Then<W, R> = W extends 'one' ? Way<R> : W extends 'many' ? 'many' | Extract<Way<R>, 'later'> : W

/** The ways in which a chain of steps may end. */
type Ways<Rs extends readonly unknown[], W = 'one'> = Rs extends readonly [infer R, ...infer Rest]
  ? Ways<Rest, Then<W, R>>
  : W

type Value<W, O> = W extends 'none' ? null : W extends 'many' ? O[] : W extends 'one' ? O : never

type AwaitedEach<Rs extends readonly unknown[]> = { [K in keyof Rs]: Awaited<Rs[K]> }

type Last<Rs extends readonly unknown[]> = Rs extends readonly [...unknown[], infer R] ? R : never
