import { BSON, type ChangeStreamDocument } from 'mongodb'
import { deferredIn } from '../../src/deferred-document.js'
import {
  addMetadata,
  changeEventMessage,
  cloudEventMessage,
  createCdcPipeline,
  debeziumMessage,
  documentMessage,
  type EjsonMode,
  memoryCheckpointStore,
  omit,
  pick,
  pipe,
  type RabbitMessage,
  redact,
  type Source,
} from '../../src/index.js'
import type { ChangeEvent } from '../../src/message/event-facts.js'
import { decodeDocument } from '../../src/source/decode-document.js'
import { EventDecoder } from '../../src/source/decode-event.js'
import type { RawEvent } from '../../src/source/reader.js'
import { recordsOf } from '../../src/source/records.js'
import type { Position, TransformContext } from '../../src/types.js'

/** What whole pipelines have made of the same events. */
export interface EventsOutcome {
  /** Messages that were compared. */
  readonly messages: number
  /** Documents that nobody had read when their messages were made. */
  readonly unread: number
  /** The first event of which two different messages were made; none if there is none. */
  readonly mismatch?: {
    readonly event: Buffer
    readonly what: string
    readonly untouched: string
    readonly decoded: string
  }
}

type Shape = (event: ChangeEvent, context?: TransformContext) => RabbitMessage | RabbitMessage[] | null

/** Debezium comes last: it reads the documents. */
function shapesIn(ejson: EjsonMode): Readonly<Record<string, Shape>> {
  return {
    changeEventMessage: changeEventMessage<ChangeEvent>({ ejson, routingKey: '{db}.{coll}.{operation}' }),
    documentMessage: documentMessage<ChangeEvent>({ ejson, routingKey: '{coll}.{id}' }),
    'cloudEventMessage, binary': cloudEventMessage<ChangeEvent>({ ejson }),
    'cloudEventMessage, structured': cloudEventMessage<ChangeEvent>({ ejson, mode: 'structured' }),
    ...edited(ejson),
    debeziumMessage: debeziumMessage<ChangeEvent>({ ejson, name: 'fuzz', tombstones: true }),
  }
}

/** Steps that edit documents in front of a shape, with rules that meet names of random documents. */
function edited(ejson: EjsonMode): Readonly<Record<string, Shape>> {
  const shape = changeEventMessage<ChangeStreamDocument>({ ejson })
  const steps = {
    'omit, one name': pipe(omit('a'), shape),
    omit: pipe(omit('a', 'b.a', 'name.b', 'ü', ['a.b', 'c']), addMetadata({ service: 'fuzz' }), shape),
    'omit, positions': pipe(omit('a.0', 'b.1.a', 'a.b.c'), shape),
    'omit twice': pipe(omit('b'), omit('a.b'), documentMessage<ChangeStreamDocument>({ ejson })),
    pick: pipe(pick('a', 'b.a', 'name', 'c.0.a'), shape),
    'redact, masks': pipe(redact({ a: { mask: '***' }, 'b.name': { mask: 'ü€' }, name: 'remove' }), shape),
    'redact, ends and hashes': pipe(redact({ a: { mask: '*', keepLast: 2 }, b: { hash: { key } } }), shape),
  }
  return steps as unknown as Readonly<Record<string, Shape>>
}

const key = 'sixteen bytes are the least'

export const SHAPES: readonly string[] = Object.keys(shapesIn('relaxed'))

/** Leads events in BSON through whole pipelines, once untouched and once read before, and compares all messages. */
export async function compareEvents(events: readonly Buffer[]): Promise<EventsOutcome> {
  const outcome = { messages: 0, unread: 0 }
  for (const ejson of ['relaxed', 'canonical'] as const) {
    const untouched = await messagesOf(events.map(decoderIn(ejson)), ejson, outcome)
    const decoded = await messagesOf(events.map(readerIn(ejson)), ejson)
    if (untouched.size < decoded.size) throw new Error(`${untouched.size} messages untouched, ${decoded.size} decoded`)
    for (const [id, { text, what, index }] of untouched) {
      outcome.messages += 1
      const other = decoded.get(id)?.text ?? 'no such message'
      if (text !== other)
        return { ...outcome, mismatch: { event: events[index]!, what, untouched: text, decoded: other } }
    }
  }
  return outcome
}

/** As the source decodes for shapes in this mode. */
function decoderIn(ejson: EjsonMode): (bytes: Buffer) => ChangeEvent {
  const decoder = new EventDecoder(BSON, ejson === 'relaxed')
  return bytes => decoder.decode(bytes) as ChangeEvent
}

/** The same, after somebody has read documents of the event: in turns one of them, all, or the library itself. */
function readerIn(ejson: EjsonMode): (bytes: Buffer, index: number) => ChangeEvent {
  const decode = decoderIn(ejson)
  const ways: ((bytes: Buffer) => ChangeEvent)[] = [
    bytes => {
      const event = decode(bytes)
      void event.fullDocument
      return event
    },
    bytes => ({ ...decode(bytes) }),
    bytes => decodeDocument(bytes, BSON.deserialize, ejson === 'relaxed') as ChangeEvent,
  ]
  return (bytes, index) => (ways[index % ways.length] as (typeof ways)[number])(bytes)
}

/** A message as it arrived, and what it was made of. */
interface Arrived {
  readonly text: string
  readonly what: string
  readonly index: number
}

/** The messages of a pipeline over these events, by their ids. */
async function messagesOf(
  events: readonly ChangeEvent[],
  ejson: EjsonMode,
  counted = { unread: 0 },
): Promise<Map<string, Arrived>> {
  const arrived = new Map<string, Arrived>()
  const shapes = Object.entries(shapesIn(ejson))
  const indexes = new Map(events.map((event, index) => [tokenOf(event), index]))
  const pipeline = createCdcPipeline<ChangeEvent, Named>({
    name: 'fuzz',
    source: sourceOf(events),
    transform: (event, context) =>
      shapes.flatMap(([shape, make]) => {
        const made = [attempt(() => make(event, context))].flat()
        if (shape === 'documentMessage' && deferredIn(event, 'fullDocument') !== undefined) counted.unread += 1
        return made.map(message => ({ message, what: `${ejson}: ${shape}`, index: indexes.get(tokenOf(event)) ?? -1 }))
      }),
    sink: {
      async publish({ message, what, index }, delivery) {
        arrived.set(delivery?.id ?? '', { text: textOf(message), what, index })
      },
      async close() {},
    },
    checkpointStore: memoryCheckpointStore(),
  })
  await pipeline.run()
  return arrived
}

/** A message, or how its shape has failed: that has to be the same, too. */
interface Named {
  readonly message: RabbitMessage | string | null
  readonly what: string
  readonly index: number
}

function attempt<T>(make: () => T): T | string {
  try {
    return make()
  } catch (error) {
    return `threw ${error}`
  }
}

function tokenOf(event: ChangeEvent): string {
  return (event as unknown as { _id: { _data: string } })._id._data
}

function sourceOf(events: readonly ChangeEvent[]): Source<ChangeEvent> {
  const start: Position = { kind: 'time', clusterTime: { t: 1, i: 1 } }
  return {
    async *open() {
      const raw = events.map(event => ({ event: event as unknown as RawEvent['event'], size: 500 }))
      yield recordsOf<ChangeEvent>({ events: [...raw] }, start, { deployment: 'fuzz', watch: 'all' })
    },
    startPosition: async () => start,
  }
}

/** All of a message but the time at which Debezium's was made. */
function textOf(message: Named['message']): string {
  if (message === null || typeof message === 'string') return String(message)
  const { body, ...rest } = message
  const text = Buffer.from(body).toString('latin1')
  return `${JSON.stringify(rest)} ${text.replace(/"ts_ms":\d+,"transaction":null\}$/, '}')}`
}
