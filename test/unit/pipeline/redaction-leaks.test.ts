import fc from 'fast-check'
import type { ChangeStreamDocument } from 'mongodb'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { deadLetterMessage } from '../../../src/message/dead-letter-message.js'
import { parseDeadLetter } from '../../../src/message/parse-dead-letter.js'
import { createCdcPipeline } from '../../../src/pipeline/create-cdc-pipeline.js'
import { redrive } from '../../../src/rabbit/redrive.js'
import { arraySource, type CollectingSink, collectingSink } from '../../../src/testing/index.js'
import { pipe } from '../../../src/transform/pipe.js'
import { redact } from '../../../src/transform/redact.js'
import type { Redaction } from '../../../src/transform/redaction.js'
import { leadsTo } from '../../../src/transform/rule-tree.js'
import type { RabbitMessage } from '../../../src/types.js'
import { FakeQueue } from '../rabbit/fake-queue.js'
import { type MarkedEvent, markedEvent, relation, rulePaths } from '../transform/field-arbitraries.js'
import { deepFreeze, updateOf } from '../transform/update-events.js'
import { type Failing, failingChains, policies, refusals } from './support/failing-chains.js'
import { errorText, messageText, recordConsole, recordEvents } from './support/outlets.js'

/** Whatever fails, wherever, and whatever is done about it: nothing that leaves shows what a rule hides. */

const runs = 20
const key = 'a key of more than 16 bytes'
const redactions: readonly Redaction[] = [
  'remove',
  { mask: '***' },
  { mask: '***', keepLast: 1 },
  { hash: { key } },
  { hash: { key, encoding: 'base64url' } },
]

type Rules = readonly (readonly [string[], Redaction])[]

interface Hiding {
  readonly event: MarkedEvent
  readonly hidden: Rules
}

/** Any rules, and some that really hide something, also names that are data. */
const hiding: fc.Arbitrary<Hiding> = fc
  .boolean()
  .chain(markedEvent)
  .chain(event => {
    const places = event.marked.map(({ path }) => path.filter(part => typeof part === 'string' && part !== ''))
    const prefixes = places
      .map(path => path.slice(0, Math.max(1, path.length - 1)) as string[])
      .filter(path => path.length > 0 && !path.some(part => part.includes('~')))
    const hit = fc.subarray(prefixes, { maxLength: Math.min(3, prefixes.length) })
    return fc
      .tuple(hit, rulePaths, fc.infiniteStream(fc.constantFrom(...redactions)))
      .map(([some, any, kinds]) =>
        apart([...some, ...any]).map(path => [path, kinds.next().value as Redaction] as const),
      )
      .map(hidden => ({ event, hidden }))
  })

/** Those that lie in none of the ones before. */
function apart(paths: readonly string[][]): string[][] {
  const kept: string[][] = []
  for (const path of paths) if (!kept.some(other => leadsTo(other, path) || leadsTo(path, other))) kept.push(path)
  return kept
}

const operations = fc.constantFrom('insert', 'update', 'replace', 'delete')

/** Every part in every event, whatever its operation: a stage of the source may have put it there. */
function eventOf({ documents, documentKey, description }: MarkedEvent, operationType: string): ChangeStreamDocument {
  const [fullDocument, fullDocumentBeforeChange] = documents
  return deepFreeze(updateOf(description, { operationType, fullDocument, fullDocumentBeforeChange, documentKey }))
}

/** The marks that a rule hides and this text shows. */
function shownIn(text: string, event: MarkedEvent, hidden: Rules): string[] {
  return event.marked
    .filter(({ path }) => hidden.some(([rule]) => relation(rule, path) === 'hides'))
    .filter(({ mark }) => text.includes(mark))
    .map(({ mark, path }) => `${mark} of ${path.join('/')}`)
}

afterEach(() => {
  vi.restoreAllMocks()
})

interface Case extends Hiding {
  readonly operation: string
  readonly failing: Failing
  readonly refusal: keyof typeof refusals
  readonly policy: keyof typeof policies
}

const circumstances = fc.record({
  operation: operations,
  failing: fc.constantFrom(...failingChains),
  refusal: fc.constantFrom(...(Object.keys(refusals) as (keyof typeof refusals)[])),
  policy: fc.constantFrom(...(Object.keys(policies) as (keyof typeof policies)[])),
})
const cases: fc.Arbitrary<Case> = fc.tuple(hiding, circumstances).map(([hid, rest]) => ({ ...hid, ...rest }))

/** Runs a pipeline over the event and returns all that left it, as text, with the sink of its letters. */
async function leftOf({ hidden, event, operation, failing, refusal, policy }: Case) {
  const sink: CollectingSink<RabbitMessage> = collectingSink({ answer: refusals[refusal] })
  const letters = collectingSink()
  const pipeline = createCdcPipeline({
    name: 'leaks',
    source: arraySource([eventOf(event, operation)]),
    transform: failing.chain(redact(hidden)),
    sink,
    checkpointStore: memoryCheckpointStore(),
    onFailedEvent: policies[policy](),
    deadLetter: { sink: letters, message: deadLetterMessage({ redact: redact(hidden) }) },
    maxAttempts: 2,
    retry: { minDelayMs: 1, maxDelayMs: 1 },
    ...(failing.ordering && { ordering: failing.ordering }),
  })
  const told = recordEvents(pipeline)
  const printed = recordConsole()
  const ended = await pipeline.run().then(
    () => 'ended well',
    (error: unknown) => errorText(error),
  )
  const messages = [...sink.attempts, ...letters.attempts].map(({ message, id }) => `${id} ${messageText(message)}`)
  const state = JSON.stringify([pipeline.health(), pipeline.stats()])
  return { text: [ended, ...told, ...printed, ...messages, state].join('\n'), letters: letters.messages }
}

describe('what a pipeline with `redact` gives away', () => {
  it.each(failingChains.map(failing => [failing.name, failing] as const))(
    'is nothing that a rule hides: %s',
    async (_, failing) => {
      await fc.assert(
        fc.asyncProperty(cases, async given => {
          const { text } = await leftOf({ ...given, failing })
          expect(shownIn(text, given.event, given.hidden)).toEqual([])
        }),
        { numRuns: runs },
      )
    },
  )

  it('is nothing that a rule hides when its dead letters are read and sent again, whatever fails then', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async given => {
        const { letters } = await leftOf({ ...given, policy: 'dead-letter' })
        const again = collectingSink({ answer: refusals[given.refusal === 'takes' ? 'takes' : 'refuses'] })
        const bodies = letters.map(({ body }) => body)
        const read = await Promise.all(bodies.map(body => parseDeadLetter(body)))
        const result = await redrive({
          connection: new FakeQueue(bodies).connection,
          queue: 'letters',
          transform: given.failing.chain(pipe((event: ChangeStreamDocument) => event)),
          sink: again,
        })
        const failures = result.failures.map(({ error, messageId }) => `${messageId} ${errorText(error)}`)
        const sent = again.attempts.map(({ message, id }) => `${id} ${messageText(message)}`)
        const text = [...read.map(letter => JSON.stringify(letter)), ...failures, ...sent].join('\n')
        expect(shownIn(text, given.event, given.hidden)).toEqual([])
      }),
      { numRuns: 5 * runs },
    )
  })
})
