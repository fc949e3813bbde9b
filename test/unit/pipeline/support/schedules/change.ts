/** How a change behaves on its way. */
export type Nature =
  | 'plain'
  /** Its transform returns nothing. */
  | 'filtered'
  /** Two messages. */
  | 'double'
  /** Larger than what may be in flight, in some set-ups. */
  | 'large'
  /** Its transform returns a promise that the step `transforms finish` resolves. */
  | 'slow'
  /** Its transform throws an error that may be retried, each time but the second. */
  | 'flaky'
  /** Its transform throws. */
  | 'throws'
  /** Its transform never returns. */
  | 'hangs'
  /** Its message can't be sent. */
  | 'invalid'
  /** No change at all: the position moves. */
  | 'mark'

/** One entry of the stream, with its place in it. */
export interface Change {
  /** `a2` is the second change of document `a`; barriers are `B1`, `B2`, and marks `m1`, `m2`. */
  readonly name: string
  /** Its position, from 1. */
  readonly n: number
  readonly key: string | undefined
  readonly nature: Nature
}

/** What is drawn at random: the name follows from the place in the stream. */
export type Drawn = Pick<Change, 'key' | 'nature'>

const failing: ReadonlySet<Nature> = new Set<Nature>(['slow', 'flaky', 'throws', 'hangs', 'invalid'])

/** Whether it may fail for good although everybody else behaves. */
export function isFragile({ nature }: Change): boolean {
  return failing.has(nature)
}

/** Bytes of its record, and of each of its messages at most. */
export function sizeOf({ nature }: Change): number {
  return nature === 'large' ? 100 : 12
}

/** The bodies of the messages that have to arrive if it doesn't fail. */
export function messagesOf({ name, nature }: Change): readonly string[] {
  if (nature === 'filtered' || nature === 'mark') return []
  if (nature === 'double') return [`${name}/0`, `${name}/1`]
  return [nature === 'large' ? `${name}/0${' '.repeat(80)}` : `${name}/0`]
}

/** The body of its dead letter. */
export function letterOf({ name }: Change): string {
  return `${name}/letter`
}

/** The change that a body is about. */
export function nameIn(body: string): string {
  return body.slice(0, body.indexOf('/'))
}

/** Gives each drawn change its name; to be called for a whole stream in order. */
export function naming(): (drawn: Drawn) => Change {
  const counts = new Map<string, number>()
  let n = 0
  return ({ key, nature }) => {
    n += 1
    const letter = nature === 'mark' ? 'm' : (key ?? 'B')
    const count = (counts.get(letter) ?? 0) + 1
    counts.set(letter, count)
    return { name: `${letter}${count}`, n, key: nature === 'mark' ? undefined : key, nature }
  }
}

/** How it stands in a printed schedule. */
export function textOf({ name, nature }: Change): string {
  return nature === 'plain' || nature === 'mark' ? name : `${name} (${nature})`
}
