import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { commandLine } from '../../scripts/command-line.mjs'
import { SHAPES } from './compare-events.js'
import { fuzzDocuments, fuzzEvents } from './fuzz.js'

const USAGE = 'npm run test:fuzz [-- --documents 1000000 --events 20000 --seed 7]'

/** `npm run test:fuzz`. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { seed, documents, events } = commandLine(USAGE, numbersOf, args)
  say(`seed ${seed}`)

  const since = performance.now()
  const wrong = fuzzDocuments(seed, documents, done => say(`${number(done)} documents …`))
  if (wrong !== undefined) return fail(wrong)
  say(`${number(documents)} documents, relaxed: all ways the same bytes`)
  say(`${number(documents)} documents, canonical: all ways the same bytes`)

  const counts = await fuzzEvents(seed, events, done => say(`${number(done)} events …`))
  if (typeof counts === 'string') return fail(counts)
  for (const shape of SHAPES) say(`${number(events)} events, ${shape}, both modes: untouched as decoded`)
  say(`${number(counts.messages)} messages compared; ${number(counts.unread)} times the document was never decoded`)
  const { user, system } = process.cpuUsage()
  say(`${((performance.now() - since) / 1000).toFixed(0)} s, ${((user + system) / 1e6).toFixed(0)} s of CPU`)
  return 0
}

function numbersOf(args: string[]): { seed: number; documents: number; events: number } {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ args, options: { documents: text, events: text, seed: text } })
  const seed = Number(values.seed ?? randomInt(2 ** 31))
  const documents = Number(values.documents ?? 1_000_000)
  const events = Number(values.events ?? Math.ceil(documents / 50))
  if ([seed, documents, events].every(number => Number.isSafeInteger(number) && number >= 0))
    return { seed, documents, events }
  throw new Error('Expected `--documents`, `--events` and `--seed` to be whole numbers from 0')
}

function fail(found: string): number {
  say(found)
  return 1
}

function number(count: number): string {
  return count.toLocaleString('en-US')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
