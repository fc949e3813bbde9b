import fc from 'fast-check'
import { type Change, type Drawn, type Nature, naming, textOf } from './change.js'
import { MAX_BATCH } from './invariants.js'

/** The deeds of a schedule, each with how often it is drawn and up to which number. */
export const deeds = {
  'confirm together': { weight: 10, upTo: 6 },
  'confirm each': { weight: 6, upTo: 4 },
  'confirm only number': { weight: 4, upTo: 4 },
  store: { weight: 4, upTo: 4 },
  'nack number': { weight: 4, upTo: 3 },
  'nack together': { weight: 2, upTo: 3 },
  'return number': { weight: 4, upTo: 3 },
  'close the channel over number': { weight: 2, upTo: 3 },
  'lose the connection after': { weight: 3, upTo: 4 },
  'broker away': { weight: 1, upTo: 1 },
  'broker back': { weight: 3, upTo: 1 },
  'broker falls silent': { weight: 3, upTo: 1 },
  'copies come late': { weight: 3, upTo: 1 },
  blocked: { weight: 1, upTo: 1 },
  unblocked: { weight: 3, upTo: 1 },
  'socket full': { weight: 1, upTo: 1 },
  drain: { weight: 3, upTo: 1 },
  'store fails': { weight: 2, upTo: 1 },
  'store hangs': { weight: 2, upTo: 1 },
  'store saves and fails': { weight: 1, upTo: 1 },
  'store heals': { weight: 5, upTo: 1 },
  'source repeats': { weight: 1, upTo: 5 },
  'source fails': { weight: 1, upTo: 1 },
  'transforms finish': { weight: 4, upTo: 1 },
  'policy decides': { weight: 4, upTo: 1 },
  pause: { weight: 2, upTo: 1 },
  resume: { weight: 3, upTo: 1 },
  stop: { weight: 2, upTo: 1 },
  'stop within seconds': { weight: 2, upTo: 2 },
  'crash after': { weight: 2, upTo: 4 },
  wait: { weight: 14, upTo: 5 },
} as const satisfies Record<string, { readonly weight: number; readonly upTo: number }>

/** What can happen besides reading. */
export type Deed = keyof typeof deeds

/** How many milliseconds a `wait` of 1 to 5 takes. */
export const waits: readonly number[] = [0, 1, 30, 300, 1_200, 6_000]

/** One step: a batch is read, or something happens. */
export type Step = { readonly read: readonly Change[] } | { readonly deed: Deed; readonly n: number }

/** How the pipeline of a schedule is set up. */
export interface Setup {
  readonly sink: 'rabbit' | 'plain'
  readonly ordering: 'document' | 'pipelined' | 'function'
  readonly onFailedEvent: 'stop' | 'skip' | 'dead-letter' | 'function'
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
  readonly maxUnsavedEvents: number
  readonly transformConcurrency: number
  readonly circuitBreaker: boolean
  /** Whether it is started once more at the end, to see that nothing comes again. */
  readonly onceMore: boolean
}

/** What happens, in order. Printed as a list that can be read aloud. */
export class Schedule {
  readonly setup: Setup
  readonly steps: readonly Step[]

  constructor(setup: Setup, steps: readonly Step[]) {
    this.setup = setup
    this.steps = steps
  }

  /** The same in another set-up. */
  within(setup: Partial<Setup>): Schedule {
    return new Schedule({ ...this.setup, ...setup }, this.steps)
  }

  get lines(): string[] {
    return this.steps.map(step => {
      if ('read' in step) return `read a batch of ${step.read.length} [${step.read.map(textOf).join(' ')}]`
      if (step.deed === 'wait') return `wait ${waits[step.n]} ms`
      return deeds[step.deed].upTo === 1 ? step.deed : `${step.deed} ${step.n}`
    })
  }

  toString(): string {
    const setup = Object.entries(this.setup).map(([name, value]) => `${name}: ${value}`)
    return `\n  ${setup.join(', ')}\n  - ${this.lines.join('\n  - ')}\n`
  }

  /** What fast-check prints. */
  [fc.toStringMethod](): string {
    return this.toString()
  }
}

const natures: readonly Nature[] = ['double', 'filtered', 'large', 'slow', 'flaky', 'throws', 'hangs', 'invalid']
const keys = ['a', 'b', 'c'] as const
const plain = keys.map((key): Drawn => ({ key, nature: 'plain' }))

/** Simplest first, as fast-check shrinks towards the first. */
const drawn: readonly Drawn[] = [
  ...Array.from({ length: 9 }, () => plain).flat(),
  { key: undefined, nature: 'plain' },
  { key: undefined, nature: 'mark' },
  { key: undefined, nature: 'mark' },
  ...natures.flatMap(nature =>
    [...keys, ...(nature === 'double' ? [undefined] : [])].map((key): Drawn => ({ key, nature })),
  ),
]

type DrawnStep = readonly Drawn[] | { readonly deed: Deed; readonly n: number }

const batch: fc.Arbitrary<DrawnStep> = fc.array(fc.constantFrom(...drawn), { minLength: 1, maxLength: MAX_BATCH })

const deed: fc.Arbitrary<DrawnStep> = fc.constantFrom(
  ...Object.entries(deeds).flatMap(([name, { weight, upTo }]) =>
    Array.from({ length: weight * 12 }, (_, i) => ({ deed: name as Deed, n: 1 + (i % upTo) })),
  ),
)

const setup: fc.Arbitrary<Setup> = fc.record({
  sink: fc.constantFrom('plain', 'rabbit', 'rabbit'),
  ordering: fc.constantFrom('document', 'document', 'pipelined', 'function'),
  onFailedEvent: fc.constantFrom('stop', 'skip', 'dead-letter', 'function'),
  maxInFlight: fc.constantFrom(8, 5, 3, 2, 1),
  maxInFlightBytes: fc.constantFrom(1_000_000, 100, 30),
  maxUnsavedEvents: fc.constantFrom(10_000, 8, 3),
  transformConcurrency: fc.constantFrom(16, 2, 1),
  circuitBreaker: fc.constantFrom(false, false, false, true),
  onceMore: fc.constantFrom(false, false, true),
})

/** Any schedule. */
export const schedules: fc.Arbitrary<Schedule> = fc
  .tuple(
    setup,
    fc.array(fc.oneof({ weight: 3, arbitrary: deed }, { weight: 1, arbitrary: batch }), {
      minLength: 1,
      maxLength: 16,
      size: 'max',
    }),
  )
  .map(([chosen, steps]) => {
    const name = naming()
    return new Schedule(
      chosen,
      steps.map(step => ('deed' in step ? step : { read: step.map(name) })),
    )
  })
