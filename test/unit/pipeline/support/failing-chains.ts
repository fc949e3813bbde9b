import type { ChangeStreamDocument } from 'mongodb'
import { BSON } from 'mongodb'
import * as v from 'valibot'
import { z } from 'zod'
import { bsonEncoder } from '../../../../src/message/bson-encoder.js'
import { changeEventMessage } from '../../../../src/message/change-event-message.js'
import { cloudEventMessage } from '../../../../src/message/cloud-event-message.js'
import { debeziumMessage } from '../../../../src/message/debezium-message.js'
import { documentMessage } from '../../../../src/message/document-message.js'
import { ejsonText } from '../../../../src/message/ejson-encoder.js'
import { outboxRouter } from '../../../../src/outbox/outbox-router.js'
import type { EventFailure, FailedEventPolicy } from '../../../../src/pipeline/failure-policy.js'
import { checkMessage } from '../../../../src/rabbit/message-check.js'
import type { Answer } from '../../../../src/testing/index.js'
import { enrich } from '../../../../src/transform/enrich.js'
import { map } from '../../../../src/transform/map.js'
import { pipe } from '../../../../src/transform/pipe.js'
import { rename } from '../../../../src/transform/rename.js'
import { splitArray } from '../../../../src/transform/split-array.js'
import { validate } from '../../../../src/transform/validate.js'
import { when } from '../../../../src/transform/when.js'
import type { Delivery, HeaderValue, RabbitMessage, Transform } from '../../../../src/types.js'

type Event = ChangeStreamDocument
type Step = (event: Event) => Event

/** A way to fail before, in or after redaction; some only for some events, so that messages leave as well. */
export interface Failing {
  readonly name: string
  readonly chain: (redaction: Step) => Transform<Event, RabbitMessage>
  readonly ordering?: (event: Event) => string | undefined
}

const shape = changeEventMessage()
/** As the library has it; the types of its numbers are of no interest here. */
const bsonOnly = { ...bsonEncoder({ BSON }), needsExactTypes: false }
const nothing = z.record(z.string(), z.record(z.string(), z.record(z.string(), z.never())))
const nobody = v.record(v.string(), v.record(v.string(), v.record(v.string(), v.never())))
/** A further field, as a step of the user's may add it. */
const adding = (more: object) => (event: Event) =>
  ({ ...event, fullDocument: { ...documentOf(event), ...more } }) as unknown as Event

function documentOf(event: Event): object {
  return (event as { fullDocument?: object }).fullDocument ?? {}
}

/** The value with something in each of its leaves that has no form. */
function spoilt(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return Symbol('odd')
  if (Array.isArray(value)) return value.map(spoilt)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, part]) => [name, spoilt(part)]),
  )
}

function throwing(): never {
  throw new Error('no')
}

/** The names and the text of what is left of the document, as a careless user puts them into headers and keys. */
function textsOf(event: Event): string[] {
  return [...Object.keys(documentOf(event)), JSON.stringify(documentOf(event))]
}

const before = (name: string, step: (event: never) => unknown): Failing => ({
  name: `${name} before redaction`,
  chain: redaction => pipe(step as Step, redaction, shape),
})
const after = (name: string, step: (event: never) => unknown): Failing => ({
  name: `${name} after redaction`,
  chain: redaction => pipe(redaction, step as never, shape as never) as never,
})
const shaped = (name: string, last: (event: never) => unknown): Failing => ({
  name,
  chain: redaction => pipe(redaction, last as (event: Event) => RabbitMessage),
})

export const failingChains: readonly Failing[] = [
  { name: 'nothing that fails by itself', chain: redaction => pipe(redaction, shape) },
  before('a throw', throwing),
  after('a throw', throwing),
  before('a schema of zod', validate(nothing)),
  before('a schema of zod for the whole event', validate(z.object({ fullDocument: nothing }), { at: 'input' })),
  before('a strict schema of zod', validate(z.strictObject({ a: z.strictObject({ b: z.literal(1) }) }))),
  after('a schema of zod', validate(nothing)),
  before('a schema of valibot', validate(nobody)),
  before(
    'a schema of valibot, asynchronous,',
    validate(
      v.pipeAsync(
        nobody,
        v.checkAsync(async () => false),
      ),
    ),
  ),
  after('a schema of valibot', validate(nobody)),
  before('a forgotten return', () => undefined),
  before('what is no event', event => JSON.stringify(event)),
  before('an event made of strange parts', (event: Event) => {
    const text = JSON.stringify(event)
    return { ...event, updateDescription: { updatedFields: text, removedFields: text, truncatedArrays: [text, null] } }
  }),
  before('a name that is taken,', pipe(adding({ x: 1, y: 2 }), rename({ x: 'y' }))),
  before('an array that is none', pipe(adding({ x: 1 }), splitArray('x') as never)),
  before(
    'a look-up',
    enrich(throwing, event => event as never, { attempts: 1 }),
  ),
  before(
    'a merge',
    enrich(async () => 1, throwing, { attempts: 1 }),
  ),
  before(
    'a look-up that takes too long',
    enrich(() => new Promise(() => {}), throwing, { attempts: 1, timeoutMs: 1 }),
  ),
  before('a predicate without verdict', when((() => undefined) as never, shape as never)),
  before('a field without a form', adding({ x: Symbol('odd') })),
  before('an Invalid Date', adding({ x: [new Date(Number.NaN)] })),
  before(
    'a mutation',
    map((event: Event) => {
      Object.assign(documentOf(event), { a: 1 })
      return event
    }),
  ),
  before('a text that can not be made', event => ({
    ...(event as object),
    text: ejsonText(spoilt(documentOf(event as Event))),
  })),
  {
    name: 'a field without a form for an encoder of bytes',
    chain: redaction => pipe(adding({ x: throwing }), redaction, changeEventMessage({ encoder: bsonOnly })),
  },
  shaped('an encoder that throws', changeEventMessage({ encoder: { contentType: 'x', encode: throwing } })),
  shaped(
    'an encoder that makes no bytes',
    changeEventMessage({ encoder: { contentType: 'x', encode: body => [...body] as never } }),
  ),
  shaped('a routing key that is too long for the shape', changeEventMessage({ routingKey: longKey })),
  shaped('a routing key from data', changeEventMessage({ routingKey: '{db}.{coll}.{operation}.{id}' })),
  shaped('a routing key that is no string', changeEventMessage({ routingKey: event => textsOf(event) as never })),
  shaped('a routing key that is too long for AMQP', (event: Event) => ({
    ...shape(event),
    routingKey: longKey(event),
  })),
  shaped('headers with names and values from data', changeEventMessage({ headers: headersOf })),
  shaped('headers that are no object', changeEventMessage({ headers: event => textsOf(event) as never })),
  shaped('a body that is no bytes', (event: Event) => ({ ...shape(event), body: documentOf(event) })),
  shaped('properties from data', (event: Event) => {
    const text = longKey(event)
    return { ...shape(event), type: text, correlationId: text, CC: textsOf(event), userId: text, expiration: text }
  }),
  shaped('an entry of an outbox', outboxRouter()),
  shaped('a missing document', documentMessage({ onMissingDocument: 'fail' })),
  shaped('documents', documentMessage({ routingKey: '{id}' })),
  shaped('a record of Debezium', debeziumMessage({ name: 'shop', version: '1' })),
  shaped('a CloudEvent', cloudEventMessage({ source: '/shop' })),
  shaped('a CloudEvent with an id from data', cloudEventMessage({ source: '/shop', id: event => longKey(event) })),
  {
    name: 'an ordering that throws',
    chain: redaction => pipe(redaction, shape),
    ordering: throwing,
  },
  {
    name: 'an ordering that is no string',
    chain: redaction => pipe(redaction, shape),
    ordering: event => event as never,
  },
  {
    name: 'redaction on one of two ways, the other one without messages',
    chain: redaction => when(event => event.operationType === 'update', pipe(redaction, shape), map(throwing) as never),
  },
]

function longKey(event: Event): string {
  return textsOf(event).join('.').padEnd(300, 'x')
}

function headersOf(event: Event): Record<string, HeaderValue> {
  return Object.fromEntries(textsOf(event).map(text => [text, Number.NaN]))
}

/** What a sink answers; as the publisher it checks each message first. */
function checked(answer: Answer) {
  return (message: RabbitMessage, { id }: Delivery): Answer => {
    const defaults = { exchange: '', routingKey: '', persistent: true, mandatory: true, maxMessageBytes: 500_000 }
    try {
      checkMessage(message, id, '', defaults)
      return answer
    } catch (error) {
      return error as Error
    }
  }
}

export const refusals = {
  takes: checked('ack'),
  refuses: checked('refuse'),
  returns: checked('return'),
  fails: checked(new Error('no')),
}

export const policies = {
  stop: (): FailedEventPolicy<Event> => 'stop',
  skip: (): FailedEventPolicy<Event> => 'skip',
  'dead-letter': (): FailedEventPolicy<Event> => 'dead-letter',
  'once more, then a letter': (): FailedEventPolicy<Event> => {
    let asked = 0
    return () => {
      asked += 1
      return asked === 1 ? 'retry' : 'dead-letter'
    }
  },
  'a throw': (): FailedEventPolicy<Event> => throwing,
  'what is no action': (): FailedEventPolicy<Event> => (failure: EventFailure<Event>) => failure as never,
  'what is no action, later': (): FailedEventPolicy<Event> => async (failure: EventFailure<Event>) => failure as never,
}
