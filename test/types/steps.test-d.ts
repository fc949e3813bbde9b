import type {
  ChangeStreamDeleteDocument,
  ChangeStreamDocument,
  ChangeStreamInsertDocument,
  ChangeStreamUpdateDocument,
  ObjectId,
} from 'mongodb'
import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { changeEventMessage } from '../../src/message/change-event-message.js'
import { documentMessage } from '../../src/message/document-message.js'
import { addMetadata } from '../../src/transform/add-metadata.js'
import { enrich } from '../../src/transform/enrich.js'
import { filter } from '../../src/transform/filter.js'
import { map } from '../../src/transform/map.js'
import { onlyOperations } from '../../src/transform/only-operations.js'
import { pipe } from '../../src/transform/pipe.js'
import { splitArray } from '../../src/transform/split-array.js'
import { validate } from '../../src/transform/validate.js'
import { when } from '../../src/transform/when.js'
import type { RabbitMessage, Sink, Source, Transform } from '../../src/types.js'

interface Order {
  _id: ObjectId
  status: 'open' | 'paid'
  total: number
  lines: { sku: string }[]
  shipment?: { parcels: readonly string[] }
}
type Event = ChangeStreamDocument<Order>
type Inserted = ChangeStreamInsertDocument<Order>

// Stands for createCdcPipeline, with the part of its options that infers.
declare function create<E, M>(options: { source: Source<E>; transform: Transform<E, NoInfer<M>>; sink: Sink<M> }): void
declare const source: Source<Event>
declare const sink: Sink<RabbitMessage>
declare function customerOf(id: ObjectId): Promise<{ name: string }>

const Total = z.object({ total: z.coerce.string() })

describe('validate', () => {
  it('gives the steps after it the type that the schema returns', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        validate(Total),
        map(event => {
          expectTypeOf(event.fullDocument).toEqualTypeOf<{ total: string }>()
          expectTypeOf(event.documentKey._id).toEqualTypeOf<ObjectId>()
          return event
        }),
        changeEventMessage(),
      ),
      sink,
    })
    create({
      source,
      transform: pipe(
        onlyOperations('insert', 'update', 'delete'),
        validate(v.object({ total: v.number() }), { messages: true }),
        onlyOperations('update'),
        map(event => {
          expectTypeOf(event.fullDocument).toEqualTypeOf<{ total: number } | undefined>()
          return event
        }),
        documentMessage(),
      ),
      sink,
    })
  })

  it('takes what the step before returned, with `at: "input"`', () => {
    const totals = pipe(
      onlyOperations('insert'),
      map(event => event.fullDocument),
      validate(Total, { at: 'input' }),
      map(order => {
        expectTypeOf(order).toEqualTypeOf<{ total: string }>()
        return order.total
      }),
    )
    expectTypeOf(totals).returns.toEqualTypeOf<string | null | Promise<string | null>>()
  })

  it('does not compile with what is no schema, or one that returns no document', () => {
    // @ts-expect-error not a Standard Schema
    validate({ parse: (value: unknown) => value })
    // @ts-expect-error a string is no document
    validate(z.string())
  })
})

describe('enrich', () => {
  it('knows the event and what was loaded, and is asynchronous', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        enrich(
          (event, { signal }) => {
            expectTypeOf(event).toEqualTypeOf<Inserted>()
            expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
            return customerOf(event.documentKey._id)
          },
          (event, customer) => {
            expectTypeOf(customer).toEqualTypeOf<{ name: string }>()
            return { ...event, fullDocument: { ...event.fullDocument, customer: customer.name } }
          },
        ),
        filter(event => {
          expectTypeOf(event.fullDocument.customer).toEqualTypeOf<string>()
          return event.fullDocument.total > 1
        }),
        changeEventMessage(),
      ),
      sink,
    })
    const named = enrich(
      (order: Order) => customerOf(order._id),
      (order, { name }) => ({ ...order, name }),
    )
    expectTypeOf(named).returns.toExtend<Promise<Order & { name: string }>>()
  })

  it('does not compile with a forgotten return', () => {
    enrich(
      (order: Order) => customerOf(order._id),
      // @ts-expect-error returns nothing
      order => {
        order.total
      },
    )
  })
})

describe('addMetadata', () => {
  it('gives the steps after it what was added, by either form', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert', 'delete'),
        addMetadata({ service: 'shop' }),
        addMetadata(event => {
          expectTypeOf(event.metadata.service).toEqualTypeOf<'shop'>()
          return { kind: event.operationType }
        }),
        onlyOperations('insert'),
        changeEventMessage({
          headers: event => {
            expectTypeOf(event.metadata.kind).toEqualTypeOf<'insert' | 'delete'>()
            expectTypeOf(event.fullDocument).toEqualTypeOf<Order>()
            return event.metadata
          },
        }),
      ),
      sink,
    })
  })

  it('does not compile with a forgotten return or a value', () => {
    // @ts-expect-error returns nothing
    addMetadata((event: Event) => {
      event.operationType
    })
    // @ts-expect-error not an object
    addMetadata('shop')
  })
})

describe('splitArray', () => {
  it('gives events with one element in the place of the array', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        splitArray('lines'),
        map(event => {
          expectTypeOf(event.fullDocument.lines).toEqualTypeOf<{ sku: string }>()
          expectTypeOf(event.fullDocument.total).toEqualTypeOf<number>()
          return event
        }),
        changeEventMessage(),
      ),
      sink,
    })
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        splitArray('shipment.parcels'),
        map(event => {
          expectTypeOf(event.fullDocument.shipment.parcels).toEqualTypeOf<string>()
          return event
        }),
        changeEventMessage(),
      ),
      sink,
    })
  })

  it('lets events without document through, and says so', () => {
    pipe(
      (event: Event) => event,
      onlyOperations('update', 'delete'),
      splitArray(['lines']),
      map(event => {
        if (event.operationType === 'delete') expectTypeOf(event).toEqualTypeOf<ChangeStreamDeleteDocument<Order>>()
        return event
      }),
    )
  })

  it('gives the element to a shape of your own', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        splitArray('lines', (event, line, index) => {
          expectTypeOf(event).toEqualTypeOf<Inserted>()
          expectTypeOf(line).toEqualTypeOf<{ sku: string }>()
          return { order: event.documentKey._id, ...line, index }
        }),
        map(line => {
          expectTypeOf(line).toEqualTypeOf<{ order: ObjectId; sku: string; index: number }>()
          return { body: new Uint8Array(line.index) }
        }),
      ),
      sink,
    })
    splitArray('lines', (event, line: { sku: string }) => ({ ...line, of: event.operationType }))
  })

  it('does not compile with a path that the documents do not have', () => {
    pipe(
      (event: Inserted) => event,
      // @ts-expect-error misspelt: every event would be filtered
      splitArray('linez'),
    )
  })
})

describe('when', () => {
  it('narrows for both ways by an inferred type guard', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert', 'update'),
        when(
          event => event.operationType === 'insert',
          map(event => {
            expectTypeOf(event).toEqualTypeOf<Inserted>()
            return { body: new Uint8Array(), type: event.fullDocument.status }
          }),
          map(event => {
            expectTypeOf(event).toEqualTypeOf<ChangeStreamUpdateDocument<Order>>()
            return { body: new Uint8Array(), type: event.operationType }
          }),
        ),
      ),
      sink,
    })
  })

  it('unites what comes out, and passes the others where nothing else is said', () => {
    const step = when(
      (n: number) => n > 1,
      n => String(n),
    )
    expectTypeOf(step).returns.toEqualTypeOf<string | number>()
    expectTypeOf(
      when(
        (n: number) => n > 1,
        String,
        n => n > 0,
      ),
    ).returns.toEqualTypeOf<string | boolean>()
    const later = when(
      async (n: number) => n > 1,
      n => [n],
    )
    expectTypeOf(later).returns.toEqualTypeOf<Promise<number | number[]>>()
  })

  it('does not compile where one way does not fit the next step', () => {
    create({
      source,
      // @ts-expect-error the others are still events and no messages
      transform: pipe(when(event => event.operationType === 'insert', documentMessage())),
      sink,
    })
  })
})
