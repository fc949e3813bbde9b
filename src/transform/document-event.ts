/** Types of events whose `fullDocument` a step replaces; each member of a union of events by itself. */

/** The event with another document; optional where it was, and absent where it was absent. */
export type WithDocument<E, D> = E extends unknown
  ? 'fullDocument' extends keyof E
    ? { [K in keyof E]: K extends 'fullDocument' ? D | Extract<E[K], null | undefined> : E[K] }
    : E
  : never

/** The document of an event, where it has one. */
export type DocumentOf<E> = E extends { fullDocument?: infer D } ? NonNullable<D> : never

/** Those of these events that may come without document. */
export type MayLackDocument<E> = E extends { fullDocument: object } ? never : E
