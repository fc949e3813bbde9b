import { type CdcErrorCode, TransformError } from '../errors.js'

/** What a service writes into the outbox, beside its own change and in the same transaction. */
export interface NewOutboxEntry<Payload = unknown> {
  /** What the message is about: `order`. At most 255 bytes. */
  readonly aggregateType: string
  /** Which one: its `_id`, of any type. Messages of one aggregate keep their order with `ordering: byAggregate`. */
  readonly aggregateId: NonNullable<unknown>
  /** What happened: `OrderPlaced`. At most 255 bytes. */
  readonly type: string
  /** The body of the message: whatever MongoDB stores. */
  readonly payload: Payload
  /** Further headers. `CC` and `BCC`, which would send copies, are refused. */
  readonly headers?: { readonly [name: string]: string }
}

/** A document in the outbox. */
export interface OutboxEntry<Payload = unknown> extends NewOutboxEntry<Payload> {
  readonly _id: unknown
  /** When it was written; for an index that removes what was left over. */
  readonly at: Date
}

const CODE: CdcErrorCode = 'CDC_OUTBOX_ENTRY_INVALID'
/** AMQP's limit of a short string. */
const MAX_BYTES = 255

/** Whether an entry can be made into a message. @throws TransformError `CDC_OUTBOX_ENTRY_INVALID`, without values */
export function checkEntry(entry: unknown): NewOutboxEntry {
  if (typeof entry !== 'object' || entry === null) throw invalid('entry', 'a document')
  const { aggregateType, aggregateId, type, headers } = entry as Partial<NewOutboxEntry>
  checkName('aggregateType', aggregateType)
  checkName('type', type)
  if (aggregateId === undefined || aggregateId === null) throw invalid('aggregateId', 'there')
  if ((entry as Partial<NewOutboxEntry>).payload === undefined) throw invalid('payload', 'there')
  if (headers !== undefined && headers !== null) checkHeaders(headers)
  return entry as NewOutboxEntry
}

function checkName(name: string, value: unknown): void {
  if (typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_BYTES) return
  throw invalid(name, `a string of 1 to ${MAX_BYTES} bytes`)
}

function checkHeaders(headers: object): void {
  const texts = Object.entries(headers).every(([, value]) => typeof value === 'string')
  if (Array.isArray(headers) || !texts) throw invalid('headers', 'an object of strings')
  // They are addresses: an entry could send itself to any queue.
  if (Object.keys(headers).some(name => /^b?cc$/i.test(name))) throw invalid('headers', 'without CC and BCC')
}

function invalid(name: string, expected: string): TransformError {
  return new TransformError(CODE, `Expected \`${name}\` of the outbox entry to be ${expected}`)
}
