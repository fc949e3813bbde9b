import { createHash } from 'node:crypto'
import { seeded } from '../unit/pipeline/support/random.js'

/** Repeatable choices. */
export interface Random {
  /** From 0 to 1. */
  next(): number
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number
  pick<T>(from: readonly T[]): T
  chance(probability: number): boolean
  shuffled<T>(from: readonly T[]): T[]
}

/** The same choices for the same parts, whatever is chosen elsewhere. */
export function randomOf(...parts: readonly (string | number)[]): Random {
  const digest = createHash('sha256').update(parts.join('/')).digest()
  const next = seeded(digest.readUInt32LE(0))
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    between,
    pick: from => from[between(0, from.length - 1)] as never,
    chance: probability => next() < probability,
    shuffled(from) {
      const cards = [...from]
      for (let i = cards.length - 1; i > 0; i--) {
        const j = between(0, i)
        ;[cards[i], cards[j]] = [cards[j] as never, cards[i] as never]
      }
      return cards
    },
  }
}
