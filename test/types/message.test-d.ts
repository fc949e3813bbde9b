import type { ChangeStreamDocument, ObjectId } from 'mongodb'
import { describe, expectTypeOf, it } from 'vitest'
import { changeEventMessage } from '../../src/message/change-event-message.js'
import { documentMessage } from '../../src/message/document-message.js'
import { createCdcPipeline } from '../../src/pipeline/create-cdc-pipeline.js'
import { map } from '../../src/transform/map.js'
import { onlyOperations } from '../../src/transform/only-operations.js'
import { pipe } from '../../src/transform/pipe.js'
import type { CheckpointStore, RabbitMessage, Sink, Source } from '../../src/types.js'

interface Order {
  _id: ObjectId
  total: number
}
declare const parts: {
  name: string
  source: Source<ChangeStreamDocument<Order>>
  sink: Sink<RabbitMessage>
  checkpointStore: CheckpointStore
}

describe('a message shape', () => {
  it('takes every event of a change stream', () => {
    createCdcPipeline({ ...parts, transform: documentMessage() })
    createCdcPipeline({ ...parts, transform: pipe(onlyOperations('insert', 'delete'), changeEventMessage()) })
    expectTypeOf(documentMessage()).parameter(0).toEqualTypeOf<ChangeStreamDocument>()
  })

  it('takes an event in which a step before has put another document and a text as id', () => {
    const changed = map((event: ChangeStreamDocument<Order>) => ({
      ...event,
      fullDocument: { total: 1 },
      documentKey: { _id: 'text' },
    }))
    expectTypeOf(pipe(changed, documentMessage())).returns.toEqualTypeOf<RabbitMessage | null>()
    expectTypeOf(pipe(changed, changeEventMessage())).returns.toEqualTypeOf<RabbitMessage>()
    createCdcPipeline({
      ...parts,
      transform: pipe(
        onlyOperations('insert'),
        map(event => ({ ...event, fullDocument: { a: 1 }, documentKey: { _id: String(event.documentKey._id) } })),
        documentMessage({ routingKey: event => event.documentKey._id }),
      ),
    })
  })

  it('does not compile on anything that is no event', () => {
    const inserts = onlyOperations('insert')
    const bare = map((event: ChangeStreamDocument) => ('fullDocument' in event ? event.fullDocument : null) as Order)
    // @ts-expect-error a bare document
    pipe(bare, documentMessage())
    // @ts-expect-error a bare document
    pipe(bare, changeEventMessage())
    pipe(
      inserts,
      map(event => ({ ...event, fullDocument: 'text' })),
      // @ts-expect-error a document that is none
      documentMessage(),
    )
  })
})
