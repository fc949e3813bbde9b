import { seeded } from '../unit/pipeline/support/random.js'

/** Repeatable choices. */
export interface Dice {
  /** A whole number from 0 to `below - 1`. */
  number(below: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
  bytes(length: number): Buffer
}

/** Those of one item of a run: each can be drawn again alone. */
export function diceOf(seed: number, index: number): Dice {
  const next = seeded(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35))
  const number = (below: number): number => Math.floor(next() * below)
  return {
    number,
    chance: probability => next() < probability,
    pick: from => from[number(from.length)] as never,
    bytes: length => Buffer.from(Array.from({ length }, () => number(256))),
  }
}
