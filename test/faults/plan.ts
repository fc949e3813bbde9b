import { type Random, randomOf } from './random.js'
import { drawSettings, type Settings } from './settings.js'

/** What a plan has to know about a kind of fault. */
export interface Kind {
  readonly name: string
  /** Two of one side would get into each other's way: they never come together. */
  readonly side: string
}

export interface PlannedFault {
  readonly kind: string
  readonly lengthMs: number
  /** For what the fault itself draws. */
  readonly seed: number
}

/** Faults that come together, after a pause. */
export interface Step {
  readonly pauseMs: number
  readonly faults: readonly PlannedFault[]
}

/** All that a seed decides. */
export interface Plan {
  readonly seed: number
  readonly minutes: number
  readonly settings: Settings
  readonly steps: readonly Step[]
}

/** What a fault takes on the average, with the pause before it. */
const MS_PER_STEP = 7_000
/** Warm-up, healing and draining. */
const MS_AROUND = 10_000

/** How many kinds of fault a run of this length meets. */
export function kindsPerRun(minutes: number): number {
  const { singles, pairs } = stepsOf(minutes)
  return singles + 2 * pairs
}

function stepsOf(minutes: number): { singles: number; pairs: number } {
  const steps = Math.max(2, Math.floor((minutes * 60_000 - MS_AROUND) / MS_PER_STEP))
  const pairs = Math.floor(steps / 2)
  return { singles: steps - pairs, pairs }
}

/**
 * The plan of a seed, and of nothing else: single faults first, then pairs. Seeds that follow each other draw from one
 * shuffle bag, one where the other has stopped, so that enough of them meet every kind.
 */
export function planOf(seed: number, minutes: number, kinds: readonly Kind[]): Plan {
  const random = randomOf(seed, 'plan')
  const { singles } = stepsOf(minutes)
  const drawn = drawKinds(seed, kindsPerRun(minutes), kinds)
  const steps = drawn.slice(0, singles).map(kind => stepOf([kind], random))
  for (let i = singles; i < drawn.length; i += 2) {
    const [one, other] = [drawn[i] as Kind, drawn[i + 1] as Kind]
    if (canMeet(one, other)) steps.push(stepOf([one, other], random))
    else steps.push(stepOf([one], random), stepOf([other], random))
  }
  return { seed, minutes, settings: drawSettings(randomOf(seed, 'settings')), steps }
}

function drawKinds(seed: number, count: number, kinds: readonly Kind[]): Kind[] {
  return Array.from({ length: count }, (_, i) => {
    const place = seed * count + i
    const bag = randomOf('bag', Math.floor(place / kinds.length)).shuffled(kinds)
    return bag[place % kinds.length] as Kind
  })
}

/** Saves fail by a fail point of the same members: there is one per member. */
function canMeet({ side: one }: Kind, { side: other }: Kind): boolean {
  return one !== other && !(/^(mongodb|store)$/.test(one) && /^(mongodb|store)$/.test(other))
}

function stepOf(kinds: readonly Kind[], random: Random): Step {
  const faults = kinds.map(({ name }) => {
    return { kind: name, lengthMs: random.between(1_000, 4_000), seed: random.between(0, 2 ** 31) }
  })
  return { pauseMs: random.between(300, 2_500), faults }
}
