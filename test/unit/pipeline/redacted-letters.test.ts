import { describe, expect, it } from 'vitest'
import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { type DeadLetterMessageOptions, deadLetterMessage } from '../../../src/message/dead-letter-message.js'
import { parseDeadLetter } from '../../../src/message/parse-dead-letter.js'
import { needsOf } from '../../../src/needs.js'
import { createCdcPipeline } from '../../../src/pipeline/create-cdc-pipeline.js'
import { arraySource, changeEvents, collectingSink } from '../../../src/testing/index.js'
import { enrich } from '../../../src/transform/enrich.js'
import { map } from '../../../src/transform/map.js'
import { omit } from '../../../src/transform/omit.js'
import { pick } from '../../../src/transform/pick.js'
import { pipe } from '../../../src/transform/pipe.js'
import { redact } from '../../../src/transform/redact.js'
import { rename } from '../../../src/transform/rename.js'
import { splitArray } from '../../../src/transform/split-array.js'
import { when } from '../../../src/transform/when.js'

const shape = changeEventMessage()
const hide = redact({ card: 'remove' })
const always = (): boolean => true

function pipelineOf(transform: unknown, message: unknown) {
  const letters = collectingSink()
  const store = memoryCheckpointStore()
  const pipeline = createCdcPipeline({
    name: 'orders',
    source: arraySource([changeEvents().insert({ _id: 1, card: '4111' })]),
    transform: transform as never,
    sink: collectingSink(),
    checkpointStore: store,
    onFailedEvent: 'dead-letter',
    deadLetter: { sink: letters, message: message as never },
  })
  return { pipeline, letters, store }
}

describe('a pipeline whose transform hides fields', () => {
  const transforms: readonly (readonly [string, unknown])[] = [
    ['redact itself', hide],
    ['omit', pipe(omit('card'), shape)],
    ['pick', pipe(pick('total'), shape)],
    ['pipe', pipe(hide, shape)],
    ['a pipe in a pipe', pipe(pipe(hide), shape)],
    ['map', pipe(map(hide), shape)],
    ['when', pipe(when(always, hide), shape)],
    ['the other way of when', pipe(when(always, shape, pipe(hide, shape)))],
    ['splitArray', splitArray('lines', pipe(hide, shape) as never)],
    ['enrich', pipe(enrich(always, hide as never), shape as never)],
  ]

  it.each(transforms)(
    'is refused with dead letters of whole events, unless somebody wants them: %s',
    (_, transform) => {
      expect(() => pipelineOf(transform, deadLetterMessage())).toThrow(
        expect.objectContaining({
          name: 'OptionsError',
          code: 'CDC_OPTION_INVALID',
          message: expect.stringContaining('Expected `redact` of deadLetterMessage to be set'),
          hint: expect.stringContaining('redact: false'),
        }),
      )
      pipelineOf(transform, deadLetterMessage({ redact: hide }))
      pipelineOf(transform, deadLetterMessage({ redact: false }))
      pipelineOf(transform, () => ({ body: Buffer.of() })) // whoever writes one has decided
    },
  )

  it('is not asked where nothing is hidden', () => {
    pipelineOf(pipe(rename({ card: 'cc' }), shape), deadLetterMessage())
    pipelineOf(shape, deadLetterMessage({ redact: hide }))
  })
})

describe('what is known of hidden fields', () => {
  const key = 'a key of more than 16 bytes'

  it.each([
    [{ a: 'remove', b: { mask: '*' } }, 'repeatable'],
    [{ a: { mask: '****', keepLast: 4 } }, 'once'], // the four that are shown are hidden the second time
    [{ a: { mask: '*****', keepLast: 4 } }, 'repeatable'],
    [{ a: 'remove', b: { hash: { key } } }, 'once'],
  ] as const)('%j is %s', (rules, hiding) => {
    const step = redact(rules)
    expect(needsOf(pipe(shape, step as never))).toEqual({ exactTypes: false, hiding })
    const event = changeEvents().insert({ _id: 1, a: '0123456789abcdef', b: 'b' })
    const once = step(event)
    if (hiding === 'repeatable') expect(step(once)).toEqual(once)
    else expect(step(once)).not.toEqual(once)
  })

  it('is the stricter of two', () => {
    const hashing = redact({ b: { hash: { key } } })
    expect(needsOf(hide, hashing).hiding).toBe('once')
    expect(needsOf(hashing, hide).hiding).toBe('once')
    expect(needsOf(omit('b'), hashing).hiding).toBe('once')
    expect(needsOf(omit('b'), pick('a')).hiding).toBe('repeatable')
    expect(needsOf(shape).hiding).toBeUndefined()
  })
})

describe('the dead letter of an event of which fields are hidden', () => {
  const failing = pipe(hide, (): never => {
    throw new Error('no')
  })
  const messageOf = (redaction: unknown) => deadLetterMessage({ redact: redaction } as DeadLetterMessageOptions)

  it.each([
    ['redact', hide],
    ['omit', omit('card')],
    ['pick', pick('total')],
  ])('holds the event without them, and says so, with %s', async (_, redaction) => {
    const { pipeline, letters } = pipelineOf(failing, messageOf(redaction))
    await pipeline.run()
    const [letter] = letters.messages
    expect(Buffer.from(letter?.body ?? []).toString()).not.toContain('4111')
    const read = await parseDeadLetter(letter?.body ?? '')
    expect(read).toMatchObject({ redacted: true, event: { operationType: 'insert', fullDocument: { _id: 1 } } })
  })

  it('holds all of it where that is wanted', async () => {
    const { pipeline, letters } = pipelineOf(failing, messageOf(false))
    await pipeline.run()
    const read = await parseDeadLetter(letters.messages[0]?.body ?? '')
    expect(read).toMatchObject({ event: { fullDocument: { card: '4111' } } })
    expect(read).not.toHaveProperty('redacted')
  })

  it.each([
    ['throws', () => throwing()],
    ['returns nothing', () => undefined],
    ['filters', () => null],
    ['returns several', (event: unknown) => [event]],
    ['returns a text', () => 'text'],
    ['returns a promise', async (event: unknown) => event],
    ['returns a promise that is rejected', async () => throwing()],
  ])('is not written where its redaction %s: the pipeline stops, and the event comes again', async (_, redaction) => {
    const { pipeline, letters, store } = pipelineOf(failing, messageOf(redaction))
    await expect(pipeline.run()).rejects.toMatchObject({ code: 'CDC_DEAD_LETTER_FAILED' })
    expect(letters.attempts).toEqual([])
    expect((await store.load('orders'))?.position.clusterTime).toEqual({ t: 1, i: 0 })
  })
})

function throwing(): never {
  throw new Error('no')
}
