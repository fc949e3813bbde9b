import { BSON, type ChangeStreamDocument, type ChangeStreamInsertDocument } from 'mongodb'
import { describe, expectTypeOf, it } from 'vitest'
import {
  bsonEncoder,
  type ChangeStreamSource,
  type CheckpointStore,
  changeEventMessage,
  cloudEventMessage,
  compress,
  createCdcPipeline,
  debeziumMessage,
  documentMessage,
  type Encoder,
  onlyOperations,
  pipe,
  type RabbitMessage,
  type Sink,
  type TransformContext,
} from '../../src/index.js'

interface Order {
  _id: number
  region: string
}
type Insert = ChangeStreamInsertDocument<Order>

declare const source: ChangeStreamSource<Order>
declare const sink: Sink<RabbitMessage>
declare const checkpointStore: CheckpointStore
declare const encoder: Encoder
const parts = { name: 'orders', source, sink, checkpointStore }

describe('the type of the source', () => {
  it('reaches the functions in the options of every shape', () => {
    const options = {
      routingKey: (event: Insert) => event.fullDocument.region,
      headers: (event: Insert) => ({ region: event.fullDocument.region }),
    }
    createCdcPipeline({ ...parts, transform: pipe(onlyOperations('insert'), changeEventMessage(options)) })
    createCdcPipeline({
      ...parts,
      transform: pipe(
        onlyOperations('insert'),
        changeEventMessage({
          encoder,
          routingKey: event => {
            expectTypeOf(event).toEqualTypeOf<Insert>()
            return event.fullDocument.region
          },
          headers: event => ({ region: event.fullDocument.region }),
        }),
      ),
    })
    createCdcPipeline({
      ...parts,
      transform: pipe(
        onlyOperations('insert'),
        documentMessage({ routingKey: event => expectTypeOf(event).toEqualTypeOf<Insert>() && '' }),
      ),
    })
    createCdcPipeline({
      ...parts,
      transform: pipe(
        onlyOperations('insert'),
        debeziumMessage({ name: 'shop', tombstones: true, routingKey: event => event.fullDocument.region }),
      ),
    })
    createCdcPipeline({
      ...parts,
      transform: pipe(
        onlyOperations('insert'),
        cloudEventMessage({ id: event => `${event.fullDocument._id.toFixed()}` }),
        compress(),
      ),
    })
  })

  it('reaches a shape that stands alone', () => {
    createCdcPipeline({
      ...parts,
      transform: changeEventMessage({
        routingKey: event => {
          expectTypeOf(event).toEqualTypeOf<ChangeStreamDocument<Order>>()
          return event.operationType
        },
      }),
    })
    createCdcPipeline({ ...parts, transform: debeziumMessage({ name: 'shop' }) })
    createCdcPipeline({ ...parts, transform: cloudEventMessage() })
  })
})

describe('what a chain returns', () => {
  it('is a promise only behind `compress`', () => {
    type In = ChangeStreamDocument
    const shaped = pipe(changeEventMessage({ encoder: bsonEncoder({ BSON }) }))
    expectTypeOf(shaped).toEqualTypeOf<(input: In, context?: TransformContext) => RabbitMessage>()
    const compressed = pipe(changeEventMessage(), compress())
    expectTypeOf(compressed).returns.toEqualTypeOf<RabbitMessage | Promise<RabbitMessage>>()
    const documents = pipe(documentMessage(), compress())
    expectTypeOf(documents).returns.toEqualTypeOf<RabbitMessage | null | Promise<RabbitMessage | null>>()
  })
})

describe('what does not compile', () => {
  it('is a field that the document does not have', () => {
    pipe(
      onlyOperations<'insert', ChangeStreamDocument<Order>>('insert'),
      // @ts-expect-error: no such field
      cloudEventMessage({ id: event => event.fullDocument.regin }),
    )
  })
  it('is an encoder that is asynchronous, or gives text', () => {
    // @ts-expect-error: a promise
    changeEventMessage({ encoder: { contentType: 'a/b', encode: async () => new Uint8Array() } })
    // @ts-expect-error: text
    changeEventMessage({ encoder: { contentType: 'a/b', encode: () => '{}' } })
    // @ts-expect-error: the envelope of Debezium is JSON
    debeziumMessage({ name: 'a', encoder })
    // @ts-expect-error: without name
    debeziumMessage({})
  })
  it('is a compression in front of the shape', () => {
    // @ts-expect-error: an event is no message
    createCdcPipeline({ ...parts, transform: pipe(onlyOperations('insert'), compress(), changeEventMessage()) })
  })
})
