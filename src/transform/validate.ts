import type { ChangeStreamDocument } from 'mongodb'
import { withDiscreet } from '../discreet-error.js'
import { messageOf, TransformError } from '../errors.js'
import { markFactory } from '../factories.js'
import { assertBoolean, assertKnown, assertOneOf, fail } from '../options.js'
import type { TransformContext } from '../types.js'
import type { WithDocument } from './document-event.js'
import { goOnWith } from './later.js'
import type {
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaOutput,
  StandardSchemaProps,
  StandardSchemaResult,
} from './standard-schema.js'

/** Options of {@link validate}. */
export interface ValidateOptions {
  /**
   * What the schema is for. `fullDocument`: the document of a change event; an event without one passes. `input`:
   * whatever the step before returned, as a whole.
   *
   * @default 'fullDocument'
   */
  readonly at?: 'fullDocument' | 'input'
  /**
   * Whether the messages of the issues go into the message of the error. Some libraries quote the value in them, and
   * messages of errors are logged and sent along with dead letters: switch it on only where they may hold data.
   *
   * @default false
   */
  readonly messages?: boolean
}

type Later<T> = T | Promise<T>

/** More would make a message that nobody reads. */
const MAX_ISSUES = 5

/**
 * Checks the document of each event with a schema of zod, valibot, arktype or any other library that keeps to Standard
 * Schema v1. What the schema returns replaces the document, with its defaults, conversions and type; many libraries
 * drop fields that the schema doesn't name, such as `_id`. Events without document pass unchanged: deletes, drops, and
 * updates that weren't looked up. Synchronous where the schema is.
 *
 * @throws OptionsError `CDC_OPTION_INVALID`, `CDC_OPTION_UNKNOWN`, at once
 * @throws TransformError `CDC_VALIDATION_FAILED` when called, with the paths of the issues, never the values
 *
 * @example
 * import { onlyOperations, pipe, validate } from 'mongo-rabbit-cdc'
 * import { z } from 'zod'
 *
 * const orders = pipe(onlyOperations('insert', 'replace'), validate(z.object({ total: z.number().min(0) })))
 */
export function validate<S extends StandardSchema<unknown, object>, E extends object = ChangeStreamDocument>(
  schema: S,
  options?: ValidateOptions & { readonly at?: 'fullDocument' },
): (event: E, context?: TransformContext) => Later<WithDocument<E, StandardSchemaOutput<S>>>
export function validate<S extends StandardSchema>(
  schema: S,
  options: ValidateOptions & { readonly at: 'input' },
): (input: unknown, context?: TransformContext) => Later<StandardSchemaOutput<S>>
export function validate(
  schema: StandardSchema,
  options: ValidateOptions = {},
): (input: never, context?: TransformContext) => unknown {
  assertKnown('validate', options, ['at', 'messages'])
  const { at = 'fullDocument', messages = false } = options
  assertOneOf('at', at, ['fullDocument', 'input'])
  assertBoolean('messages', messages)
  const standard = standardOf(schema)
  const outputOf = (result: StandardSchemaResult<unknown>): unknown => {
    if (result.issues) throw validationFailed(at, result.issues, messages)
    return result.value
  }
  if (at === 'input') {
    return function validate(input) {
      return goOnWith(standard.validate(input), outputOf)
    }
  }
  return function validate(event: { readonly fullDocument?: object | null }) {
    const { fullDocument } = event
    // An update whose document was gone when it was looked up has `null`.
    if (fullDocument === undefined || fullDocument === null) return event
    return goOnWith(standard.validate(fullDocument), result => {
      return { ...event, fullDocument: asDocument(outputOf(result)) }
    })
  }
}

markFactory('validate', validate)

function standardOf(schema: StandardSchema): StandardSchemaProps {
  const standard = (schema as StandardSchema | null | undefined)?.['~standard']
  if (standard?.version === 1 && typeof standard.validate === 'function') return standard
  fail('schema of validate', 'a Standard Schema v1, as zod 3.24, valibot 1 and arktype 2 make them', schema)
}

/** A shape would take an event without document for a delete. */
function asDocument(output: unknown): object {
  if (typeof output === 'object' && output !== null) return output
  throw new TransformError('CDC_VALIDATION_FAILED', `Expected the schema to return a document, got a ${typeof output}`)
}

function validationFailed(at: string, issues: readonly StandardSchemaIssue[], messages: boolean): TransformError {
  const paths = issues.map(issue => pathOf(at, issue))
  if (messages) {
    const said = issues.map(({ message }, index) => `${paths[index]}: ${message}`)
    return failedAt(at, said)
  }
  const first = issues.map(issue => firstOf(at, issue))
  return withDiscreet(failedAt(at, paths), () => failedAt(at, first))
}

function failedAt(at: string, told: readonly string[]): TransformError {
  const distinct = [...new Set(told)]
  const more = distinct.length > MAX_ISSUES ? ` and ${distinct.length - MAX_ISSUES} more` : ''
  const text = messageOf(distinct.slice(0, MAX_ISSUES).join(', '))
  return new TransformError(
    'CDC_VALIDATION_FAILED',
    `Expected \`${at}\` to fit its schema, got issues at ${text}${more}`,
  )
}

function pathOf(at: string, { path = [] }: StandardSchemaIssue): string {
  const keys = path.map(part => (typeof part === 'object' ? part.key : part))
  return [at, ...keys].map(key => String(key).slice(0, 60)).join('.')
}

/** The first name is one that a rule may name, what is below may be data. */
function firstOf(at: string, { path = [] }: StandardSchemaIssue): string {
  return pathOf(at, { message: '', path: path.slice(0, 1) }) + (path.length > 1 ? '.…' : '')
}
