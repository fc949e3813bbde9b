// What the command line says.

import { parseArgs } from 'node:util'
import { commandLine } from '../scripts/command-line.mjs'

/** Every part of the benchmark, in the order in which they run: latency wants the capacity that catch-up has found. */
export const GROUPS = ['catch-up', 'modes', 'latency', 'hot', 'memory', 'backlog', 'foreign']

const NUMBERS = {
  rounds: 5, // of everything
  events: 100_000, // of the backlog
  naive: 10_000, // for the loop that waits for each confirm
  large: 5_000, // documents of 50 KB
  memory: 1_000_000, // events of the memory run, the greatest backlog
  foreign: 1_000_000, // entries of other collections
  inserts: 2_000, // at 200 per second
}

const USAGE = `npm run bench [-- --only ${GROUPS.join()} --debezium ${Object.entries(NUMBERS)
  .map(([name, value]) => `--${name} ${value}`)
  .join(' ')}]`

/** Prints what is wrong, and ends the process. */
export function readFlags() {
  return commandLine(USAGE, flagsOf)
}

function flagsOf(args) {
  const options = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, value]) => [name, { type: 'string', default: String(value) }]),
  )
  const { values } = parseArgs({
    args,
    options: { ...options, only: { type: 'string', default: GROUPS.join() }, debezium: { type: 'boolean' } },
  })
  const only = values.only.split(',')
  for (const name of only) if (!GROUPS.includes(name)) refuse(`\`--only\` to name some of ${GROUPS.join()}`, name)
  const numbers = Object.keys(NUMBERS).map(name => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < 1) refuse(`\`--${name}\` to be a whole number from 1`, values[name])
    return [name, value]
  })
  return { ...Object.fromEntries(numbers), only: GROUPS.filter(name => only.includes(name)), debezium: values.debezium }
}

function refuse(expected, got) {
  throw new Error(`Expected ${expected}, got ${got}`)
}
