import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type PlantedBug, plantedBugs } from './planted-bugs.js'

export const FAULTS_USAGE = 'npm run test:faults [-- --seed 7 --seeds 20 --minutes 1]'
export const CHECKER_USAGE = 'npm run test:checker [-- part of the name of a planted bug]'

/** What the command line asks for. */
export interface NemesisOptions {
  readonly seeds: readonly number[]
  /** Of each seed. */
  readonly minutes: number
}

/** `--seed 7 --minutes 5`, or `--seeds 20 --minutes 1`, which begins with `--seed` or a random one. */
export function parseOptions(args: readonly string[]): NemesisOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '1' },
    },
  })
  const first = numberOf('seed', values.seed ?? String(randomInt(1_000_000)), 0, 2 ** 31)
  const count = numberOf('seeds', values.seeds, 1, 1_000)
  const minutes = numberOf('minutes', values.minutes, 0.4, 60)
  return { seeds: Array.from({ length: count }, (_, i) => first + i), minutes }
}

/** The planted bugs whose names have all these words; all of them where there are none. Throws where nothing is left. */
export function parseWanted(args: readonly string[]): readonly PlantedBug[] {
  const { positionals } = parseArgs({ args: [...args], options: {}, allowPositionals: true })
  const wanted = plantedBugs.filter(({ name }) => positionals.every(part => name.includes(part)))
  if (wanted.length > 0) return wanted
  throw new Error(`Expected a part of one of these: ${plantedBugs.map(({ name }) => name).join(', ')}`)
}

function numberOf(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  const whole = name === 'minutes' || Number.isInteger(value)
  if (text.trim() !== '' && whole && value >= min && value <= max) return value
  throw new Error(`Expected \`--${name}\` to be a number from ${min} to ${max}, got ${text}`)
}
