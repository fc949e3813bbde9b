import type { BSON, ChangeStreamDocument, Document } from 'mongodb'
import { dateMs } from '../date-ms.js'
import { isDocumentImage, markImage } from '../document-image.js'
import { TransformError } from '../errors.js'
import { loadBson } from '../mongo-client.js'
import { parseHidingClassNames, showClassNames } from './class-names.js'
import type { DeadLetterBody } from './dead-letter-message.js'

/** A dead letter with the event that failed. */
export interface DeadLetter<E = ChangeStreamDocument> extends DeadLetterBody {
  /** As the source gave it to the transform. */
  readonly event: E
}

/** How a dead letter is read. */
export interface ParseDeadLetterOptions {
  /**
   * Numbers as JavaScript's, as the source gives them by itself; `false`: as `Int32`, `Long` and `Double`, as it does
   * with `promoteValues: false`. @default true
   */
  readonly promoteValues?: boolean
}

/** A date out of JavaScript's range, where it stands in the event. */
interface FarDate {
  readonly path: readonly string[]
  readonly ms: bigint
}

const MAX_DATE_MS = 8_640_000_000_000_000n

/**
 * Reads the body of a message that `deadLetterMessage` has made. The event has the values that the transform has seen:
 * it is enough to reproduce the failure in a unit test.
 *
 * @throws TransformError `CDC_DEAD_LETTER_INVALID` for another body
 */
export async function parseDeadLetter<E = ChangeStreamDocument>(
  body: Uint8Array | string,
  { promoteValues = true }: ParseDeadLetterOptions = {},
): Promise<DeadLetter<E>> {
  const bson = await loadBson()
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
  const letter = letterOf(text)
  if (letter?.deadLetter !== 1 || typeof letter.id !== 'string') throw notALetter('something else')
  if (!isObject(letter.event)) throw notALetter('one without its event')
  try {
    const event = eventOf(letter.event, bson, promoteValues)
    if (isDocumentImage(letter.image)) markImage(event, letter.image)
    return { ...letter, event: event as E }
  } catch {
    throw notALetter('one with an event that can not be read')
  }
}

/** The errors of parsers quote what they read, and that is data: none of them is passed on. */
function letterOf(text: string): (DeadLetterBody & { readonly event?: unknown }) | undefined {
  try {
    return (parseHidingClassNames(text) as ReturnType<typeof letterOf> | null) ?? undefined
  } catch {
    throw notALetter('what is no JSON')
  }
}

/** By way of BSON: so the values come from the decoder that the source uses, with the same options. */
function eventOf(json: object, { EJSON, serialize, deserialize }: typeof BSON, promoteValues: boolean): Document {
  const farDates = farDatesOf(json)
  const bytes = serialize(EJSON.deserialize(json, { relaxed: false }) as Document)
  const event = deserialize(bytes, { bsonRegExp: true, promoteValues, validation: { utf8: false } })
  for (const { path, ms } of farDates) putDate(event, path, ms)
  showClassNames(event)
  return event
}

/** A `Date` can't hold them, so the source puts their milliseconds beside it; and so does this. */
function farDatesOf(value: unknown, path: readonly string[] = []): FarDate[] {
  if (!isObject(value)) return []
  const ms = (value as { $date?: { $numberLong?: unknown } }).$date?.$numberLong
  if (typeof ms === 'string' && /^-?\d+$/.test(ms)) {
    const far = BigInt(ms) > MAX_DATE_MS || BigInt(ms) < -MAX_DATE_MS
    return far ? [{ path, ms: BigInt(ms) }] : []
  }
  return Object.entries(value).flatMap(([name, part]) => farDatesOf(part, [...path, name]))
}

function putDate(root: object, path: readonly string[], ms: bigint): void {
  let target = root as Record<string, unknown>
  for (const name of path.slice(0, -1)) target = target[name] as Record<string, unknown>
  const date = Object.defineProperty(new Date(Number.NaN), dateMs, { value: ms, configurable: true })
  Object.defineProperty(target, path.at(-1) ?? '', {
    value: date,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function notALetter(got: string): TransformError {
  const text = `Expected a message that \`deadLetterMessage\` has made, got ${got}`
  return new TransformError('CDC_DEAD_LETTER_INVALID', text)
}
