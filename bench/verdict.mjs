// Whether ratios of cost say that something has become slower. Pure.

import { median } from './figures.mjs'

/** Generous: machines, versions of Node and busy neighbours stay below; work that is done twice doesn't. */
export const SLACK = 1.5
/** Fewer say nothing. */
const MIN_ROUNDS = 7
/** Enough to be sure that it wasn't a neighbour. */
export const MAX_ROUNDS = 21

/** `ok` as soon as the median is within the slack, `slower` only after all rounds; `undefined`: measure once more. */
export function verdictOf(ratios, recorded) {
  if (ratios.length < MIN_ROUNDS) return undefined
  if (median(ratios) <= SLACK * recorded) return 'ok'
  return ratios.length < MAX_ROUNDS ? undefined : 'slower'
}
