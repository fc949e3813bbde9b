import type { Passed, Piped, Returned, Step } from './outcome.js'

/**
 * The overloads of `pipe`: one to ten steps. Type arguments are inferred from left to right, so that each step, also a
 * lambda in `map` or `filter`, knows what the one before it returns. The default `never` lets a step that is no generic
 * call be checked before the types of those in front of it are known.
 */
// biome-ignore format: a table, one overload per line
export interface Pipe {
  <A, B extends R = never>(f: Step<A, B>): Piped<A, [B]>
  <A, B extends R = never, C extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>): Piped<A, [B, C]>
  <A, B extends R = never, C extends R = never, D extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>): Piped<A, [B, C, D]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>): Piped<A, [B, C, D, E]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never, F extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>, j: Step<Passed<E>, F>): Piped<A, [B, C, D, E, F]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never, F extends R = never, G extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>, j: Step<Passed<E>, F>, k: Step<Passed<F>, G>): Piped<A, [B, C, D, E, F, G]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never, F extends R = never, G extends R = never, H extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>, j: Step<Passed<E>, F>, k: Step<Passed<F>, G>, l: Step<Passed<G>, H>): Piped<A, [B, C, D, E, F, G, H]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never, F extends R = never, G extends R = never, H extends R = never, I extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>, j: Step<Passed<E>, F>, k: Step<Passed<F>, G>, l: Step<Passed<G>, H>, m: Step<Passed<H>, I>): Piped<A, [B, C, D, E, F, G, H, I]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never, F extends R = never, G extends R = never, H extends R = never, I extends R = never, J extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>, j: Step<Passed<E>, F>, k: Step<Passed<F>, G>, l: Step<Passed<G>, H>, m: Step<Passed<H>, I>, n: Step<Passed<I>, J>): Piped<A, [B, C, D, E, F, G, H, I, J]>
  <A, B extends R = never, C extends R = never, D extends R = never, E extends R = never, F extends R = never, G extends R = never, H extends R = never, I extends R = never, J extends R = never, K extends R = never>(f: Step<A, B>, g: Step<Passed<B>, C>, h: Step<Passed<C>, D>, i: Step<Passed<D>, E>, j: Step<Passed<E>, F>, k: Step<Passed<F>, G>, l: Step<Passed<G>, H>, m: Step<Passed<H>, I>, n: Step<Passed<I>, J>, o: Step<Passed<J>, K>): Piped<A, [B, C, D, E, F, G, H, I, J, K]>
}

type R = Returned
