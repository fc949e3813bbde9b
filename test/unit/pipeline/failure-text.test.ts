import { describe, expect, it } from 'vitest'
import { CdcError, PublishError } from '../../../src/errors.js'
import { eventFailed } from '../../../src/pipeline/failure-policy.js'
import { threw } from '../../../src/pipeline/threw.js'
import { map } from '../../../src/transform/map.js'
import { pipe } from '../../../src/transform/pipe.js'

const event = { ns: { db: 'shop', coll: 'orders' }, documentKey: { _id: 'id-of-it' }, fullDocument: { card: '4111' } }
const failure = { stage: 'transform', event, id: 'id-of-it', attempts: 1 } as const
const textOf = (error: unknown): string => (threw('A transform', error) as CdcError).message

/** What a transform throws. */
async function thrownBy(transform: (input: never) => unknown, input: unknown = {}): Promise<unknown> {
  try {
    await transform(input as never)
  } catch (error) {
    return error
  }
  throw new Error('Expected a throw')
}

describe('the error of a transform that threw', () => {
  it('says what was thrown', () => {
    expect(textOf(new TypeError('no x'))).toBe('A transform threw: no x')
    expect(textOf('text')).toBe('A transform threw: text')
    expect(textOf(undefined)).toBe('A transform threw: undefined')
    expect(textOf(new Error())).toBe('A transform threw: an error without message')
    expect(textOf(Object.create(null))).toBe('A transform threw: a value without text')
  })

  it('keeps it short and on one line, without the command that a server quotes', () => {
    expect(textOf(new Error('x'.repeat(600)))).toHaveLength('A transform threw: '.length + 201)
    expect(textOf(new Error('a\nb'))).toBe('A transform threw: a b')
    const refused = 'not authorized on shop to execute command { find: "a", lsid: { id: 1 } }'
    expect(textOf(new Error(refused))).toBe('A transform threw: not authorized on shop')
    const taken =
      'E11000 duplicate key error collection: shop.users index: email_1 dup key: { email: "ada@example.org" }'
    const shown = 'E11000 duplicate key error collection: shop.users index: email_1'
    expect(textOf(new Error(taken))).toBe(`A transform threw: ${shown}`)
  })

  it('names the innermost step, of a step that throws as of one that rejects', async () => {
    const bad = map(() => {
      throw new Error('no')
    })
    const late = async function lookUp(): Promise<never> {
      throw new Error('no')
    }
    const same = map((x: unknown) => x as object)
    const text = 'A transform threw in step 2 of 2 of the pipe,'
    expect(textOf(await thrownBy(pipe(same, bad)))).toBe(`${text} \`map\`: no`)
    expect(textOf(await thrownBy(pipe(same, late)))).toBe(`${text} \`lookUp\`: no`)
    expect(textOf(await thrownBy(pipe(pipe(same, late), same as never)))).toBe(`${text} \`lookUp\`: no`)
    const each = pipe(() => [1, 2], late)
    expect(textOf(await thrownBy(each))).toBe(`${text} \`lookUp\`: no`)
  })

  it('has what was thrown as its cause, untouched', async () => {
    const error = new Error('no')
    const thrown = await thrownBy(
      pipe(() => {
        throw error
      }),
    )
    expect(thrown).toBe(error)
    expect((threw('A transform', thrown) as CdcError).cause).toBe(error)
  })
})

describe('the error of an event that failed', () => {
  it('has its namespace and what the transform threw, and nothing of the document', () => {
    const error = threw('A transform', new Error('no x'))
    const { message } = eventFailed({ ...failure, error })
    expect(message).toMatch(
      /^An event of shop\.orders failed for good in stage "transform" after 1 attempt with CDC_TRANSFORM_FAILED: A transform threw: no x \(/,
    )
    expect(message).not.toMatch(/id-of-it|4111/)
  })

  it('has only the code of an error that comes from a server or a sink', () => {
    const error = new PublishError('CDC_MESSAGE_REFUSED', 'refused', 'PRECONDITION_FAILED secret')
    expect(eventFailed({ ...failure, stage: 'publish', error }).message).not.toContain('secret')
    expect(eventFailed({ ...failure, error: new Error('secret') }).message).not.toContain('secret')
    expect(eventFailed({ ...failure, error: new CdcError('CDC_NACKED', 'secret') }).message).not.toContain('secret')
  })

  it.each([undefined, null, 1, {}, { ns: null }, { ns: { db: 1 } }])('does without a namespace: %j', given => {
    expect(eventFailed({ ...failure, event: given, error: 0 }).message).toMatch(/^An event failed for good/)
  })

  it('has the database alone where the event has no collection', () => {
    const text = eventFailed({ ...failure, event: { ns: { db: 'shop' } }, error: 0 }).message
    expect(text).toMatch(/^An event of shop failed/)
  })
})
