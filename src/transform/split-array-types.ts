import type { DocumentOf } from './document-event.js'

/** The types of `splitArray`: what stands at a path, and the event with one element there. */

type Path = string | readonly string[]

/** The names of a path. */
type Names<P extends Path> = P extends string ? Split<P> : P

type Split<P extends string> = P extends `${infer Name}.${infer Rest}` ? [Name, ...Split<Rest>] : [P]

/** What stands at these names; `never` where a type has no such field. */
type At<D, Ns> = Ns extends readonly [infer N, ...infer Rest]
  ? N extends keyof D
    ? At<NonNullable<D[N]>, Rest>
    : never
  : D

type Put<D, Ns, Value> = Ns extends readonly [infer N extends PropertyKey, ...infer Rest]
  ? Omit<D, N> & { [K in N]: Put<K extends keyof D ? NonNullable<D[K]> : unknown, Rest, Value> }
  : Value

type Element<A> = A[number & keyof A]

/** One element of the array at this path; `never` where there is none. */
export type ElementAt<D, P extends Path> = Element<At<D, Names<P>>>

/** The event with one element in place of the array. */
export type SplitEvent<E, P extends Path> = E extends unknown
  ? 'fullDocument' extends keyof E
    ? Omit<E, 'fullDocument'> & { readonly fullDocument: Put<DocumentOf<E>, Names<P>, ElementAt<DocumentOf<E>, P>> }
    : never
  : never

/** `never`, which fits nothing, where the documents are known to have no array at this path. */
export type Checked<E, P extends Path> = [At<DocumentOf<E>, Names<P>>] extends [never] ? never : E
