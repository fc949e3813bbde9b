import { inspect } from 'node:util'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { map } from '../../../src/transform/map.js'
import { omit } from '../../../src/transform/omit.js'
import { pipe } from '../../../src/transform/pipe.js'
import { redact } from '../../../src/transform/redact.js'
import { rename } from '../../../src/transform/rename.js'
import type { StandardSchema } from '../../../src/transform/standard-schema.js'
import { validate } from '../../../src/transform/validate.js'
import { when } from '../../../src/transform/when.js'
import { deleteEvent, dropEvent, insertEvent, updateEvent } from '../message/events.js'

const SECRET = 'secret-4711'
const event = { ...insertEvent, fullDocument: { _id: 1, total: '5', lines: [{ sku: SECRET }] } }
const libraries = [
  ['zod', z.object({ total: z.coerce.number() }), z.object({ lines: z.array(z.object({ sku: z.number() })) })],
  [
    'valibot',
    v.object({ total: v.pipe(v.string(), v.transform(Number)) }),
    v.object({ lines: v.array(v.object({ sku: v.number() })) }),
  ],
] as const

const always = (): boolean => true

function failureOf(call: () => unknown): Error & { code?: string } {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('Expected a throw')
}

describe.each(libraries)('validate with a schema of %s', (_, fits, refuses) => {
  it('replaces the document with what the schema returns, at once, and leaves the event as it was', () => {
    const before = structuredClone(event.fullDocument)
    const output = validate(fits as StandardSchema<unknown, object>)(event)
    expect(output).toEqual({ ...event, fullDocument: { total: 5 } })
    expect(event.fullDocument).toEqual(before)
  })

  it('says where a document does not fit, and holds no value of it', () => {
    const error = failureOf(() => validate(refuses as StandardSchema<unknown, object>)(event))
    expect(error).toMatchObject({ name: 'TransformError', code: 'CDC_VALIDATION_FAILED', retryable: false })
    expect(error.message).toBe('Expected `fullDocument` to fit its schema, got issues at fullDocument.lines.0.sku')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET)
  })

  it('says why, when it was told that messages may be told', () => {
    const error = failureOf(() => validate(refuses as StandardSchema<unknown, object>, { messages: true })(event))
    expect(error.message).toMatch(/fullDocument\.lines\.0\.sku: Invalid \w+: .*expected number/i)
  })

  it('lets events without document pass as they are', () => {
    const step = validate(refuses as StandardSchema<unknown, object>)
    const gone = { ...updateEvent, fullDocument: null } as never
    for (const passing of [deleteEvent, dropEvent, gone]) expect(step(passing)).toBe(passing)
  })
})

describe('validate', () => {
  it('waits for an asynchronous schema', async () => {
    const known = z.object({ total: z.string().refine(async total => total === '5') })
    await expect(validate(known)(event)).resolves.toMatchObject({ fullDocument: { total: '5' } })
    const unknown = validate(z.object({ total: z.string().refine(async () => false) }))
    await expect(unknown(event)).rejects.toMatchObject({ code: 'CDC_VALIDATION_FAILED' })
  })

  it('checks whatever the step before returned, with `at: "input"`', () => {
    const step = pipe(
      map((n: number) => ({ n })),
      validate(z.object({ n: z.number().max(5) }), { at: 'input' }),
    )
    expect(step(5)).toEqual({ n: 5 })
    expect(() => step(6)).toThrow('Expected `input` to fit its schema, got issues at input.n')
    expect(() => validate(z.string(), { at: 'input' })(null)).toThrow('issues at input')
  })

  it('names each path once, five at most, and no control characters', () => {
    const issues = [1, 1, 2, 3, 4, 5, 6, 7].map(n => ({ message: '', path: [{ key: `a\n${n}` }, 0] }))
    const schema: StandardSchema<unknown, object> = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues }) },
    }
    expect(() => validate(schema)(event)).toThrow(/got issues at fullDocument\.a 1\.0, .*a 5\.0 and 2 more$/)
  })

  it('names no field below the first where a later step hides fields: names can be data', async () => {
    const people = { ...insertEvent, fullDocument: { people: { 'ann@example.org': { age: '7' } } } }
    const schema = z.object({ people: z.record(z.string(), z.object({ age: z.number() })) })
    const standard = schema['~standard']
    const later = { '~standard': { ...standard, validate: async (value: unknown) => standard.validate(value) } }
    const hide = redact({ people: 'remove' })
    const full = 'got issues at fullDocument.people.ann@example.org.age'
    const textOf = async (transform: (event: never) => unknown): Promise<string> => {
      const error = await (async () => transform(people as never))().catch((thrown: unknown) => thrown)
      return (error as Error).message
    }
    for (const step of [validate(schema), validate(later as typeof schema)] as never[]) {
      expect(await textOf(pipe(step, hide))).toMatch(/got issues at fullDocument\.people\.…$/)
      expect(await textOf(pipe(pipe(step), when(always, hide)))).toMatch(/got issues at fullDocument\.people\.…$/)
      expect(await textOf(pipe(step, omit('people')))).toMatch(/got issues at fullDocument\.people\.…$/)
      expect(await textOf(pipe(step, rename({ people: 'persons' })))).toContain(full)
      expect(await textOf(pipe(redact({ age: 'remove' }) as never, step))).toContain(full)
    }
  })

  it('refuses a schema that makes no document of one: it would look like a delete', () => {
    const nothing = z.object({}).transform(() => undefined) as unknown as StandardSchema<unknown, object>
    expect(() => validate(nothing)(event)).toThrow(expect.objectContaining({ code: 'CDC_VALIDATION_FAILED' }))
  })

  it('refuses at once what is no Standard Schema, and options that do not exist', () => {
    for (const schema of [
      undefined,
      null,
      {},
      { parse: () => {} },
      { '~standard': { version: 2, validate: () => {} } },
    ]) {
      expect(() => validate(schema as never)).toThrow(expect.objectContaining({ code: 'CDC_OPTION_INVALID' }))
    }
    const Any = z.object({})
    expect(() => validate(Any, { at: 'ns' } as never)).toThrow('Expected `at` to be one of')
    expect(() => validate(Any, { messages: 1 } as never)).toThrow('Expected `messages` to be true or false')
    expect(() => validate(Any, { on: 1 } as never)).toThrow(expect.objectContaining({ code: 'CDC_OPTION_UNKNOWN' }))
  })
})
