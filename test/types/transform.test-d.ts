import type {
  ChangeStreamDeleteDocument,
  ChangeStreamDocument,
  ChangeStreamInsertDocument,
  ChangeStreamUpdateDocument,
  Document,
} from 'mongodb'
import { describe, expectTypeOf, it } from 'vitest'
import { filter } from '../../src/transform/filter.js'
import { map } from '../../src/transform/map.js'
import { omit } from '../../src/transform/omit.js'
import { onlyNamespaces } from '../../src/transform/only-namespaces.js'
import { onlyOperations } from '../../src/transform/only-operations.js'
import { pick } from '../../src/transform/pick.js'
import { pipe } from '../../src/transform/pipe.js'
import { redact } from '../../src/transform/redact.js'
import { rename } from '../../src/transform/rename.js'
import { whenChanged } from '../../src/transform/when-changed.js'
import type { RabbitMessage, Sink, Source, Transform, TransformContext } from '../../src/types.js'

interface Order {
  _id: number
  status: 'open' | 'paid'
  total: number
  lines: { sku: string }[]
}
type Event = ChangeStreamDocument<Order>

// Stands for createCdcPipeline, with the part of its options that infers.
declare function create<E, M>(options: {
  name?: string
  source: Source<E>
  transform: Transform<E, NoInfer<M>>
  sink: Sink<M>
  onFailedEvent?: (failure: { event: E }) => void
}): { event: E; message: M }
declare const source: Source<Event>
declare const sink: Sink<RabbitMessage>
declare function toMessage(order: Order): RabbitMessage
declare function lookUp(sku: string): Promise<{ price: number }>
// As the message shapes are.
declare function shape<E extends ChangeStreamDocument = ChangeStreamDocument>(options?: {
  routingKey?: (event: E) => string
}): (event: E) => RabbitMessage

describe('a pipe in the options of a pipeline', () => {
  it('takes the type of the source through every step, without annotations', () => {
    const made = create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        map(event => {
          expectTypeOf(event).toEqualTypeOf<ChangeStreamInsertDocument<Order>>()
          return event.fullDocument
        }),
        filter(order => {
          expectTypeOf(order).toEqualTypeOf<Order>()
          return order.total > 100
        }),
        toMessage,
      ),
      sink,
    })
    expectTypeOf(made).toEqualTypeOf<{ event: Event; message: RabbitMessage }>()
  })

  it('does so also when an option beside it is a lambda, and in any order of the options', () => {
    create({
      sink,
      onFailedEvent: failure => expectTypeOf(failure.event).toEqualTypeOf<Event>(),
      transform: pipe(
        onlyOperations('insert', 'delete'),
        filter(event => event.documentKey._id > 5),
        map(event => {
          expectTypeOf(event).toEqualTypeOf<ChangeStreamInsertDocument<Order> | ChangeStreamDeleteDocument<Order>>()
          return { body: new Uint8Array(), routingKey: event.operationType }
        }),
      ),
      source,
    })
  })

  it('infers through every built-in step, a message shape at the end', () => {
    create({
      source,
      transform: pipe(
        onlyNamespaces('shop.orders'),
        onlyOperations('insert', 'update'),
        whenChanged('status'),
        filter(event => event.documentKey._id > 5),
        shape({
          routingKey: event => {
            expectTypeOf(event).toEqualTypeOf<ChangeStreamInsertDocument<Order> | ChangeStreamUpdateDocument<Order>>()
            return event.operationType
          },
        }),
      ),
      sink,
    })
    create({ source, transform: pipe(onlyOperations('insert'), shape()), sink })
  })

  it('keeps the type of the event through the steps that change its fields', () => {
    create({
      source,
      transform: pipe(
        pick('status', 'lines.sku'),
        onlyOperations('insert', 'update'),
        omit('status', ['a.b', 'c']),
        rename({ status: 'state' }),
        redact({ total: 'remove', status: { mask: '*', keepLast: 2 } }),
        shape({
          routingKey: event => {
            expectTypeOf(event).toEqualTypeOf<ChangeStreamInsertDocument<Order> | ChangeStreamUpdateDocument<Order>>()
            return event.operationType
          },
        }),
      ),
      sink,
    })
  })

  it('infers through asynchronous steps and fan-out', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        map(event => event.fullDocument.lines),
        map(async line => {
          expectTypeOf(line).toEqualTypeOf<{ sku: string }>()
          return await lookUp(line.sku)
        }),
        filter(async found => found.price > 0),
        map(found => {
          expectTypeOf(found).toEqualTypeOf<{ price: number }>()
          return [{ body: new Uint8Array(found.price) }]
        }),
      ),
      sink,
    })
  })

  it('infers for a step alone, without pipe', () => {
    create({ source, transform: map(event => ({ body: new Uint8Array(), type: event.operationType })), sink })
    const events = create({
      source,
      transform: filter(event => event.operationType === 'insert'),
      sink: {} as Sink<Event>,
    })
    expectTypeOf(events.message).toEqualTypeOf<Event>()
  })
})

describe('a pipe that is declared before', () => {
  it('takes the type that it is declared with', () => {
    const declared: Transform<Event, RabbitMessage> = pipe(
      onlyOperations('insert'),
      map(event => event.fullDocument),
      toMessage,
    )
    create({ source, transform: declared, sink })
  })

  it('takes the type of its first function', () => {
    const orders = pipe(
      (event: Event) => event,
      onlyOperations('insert'),
      map(event => event.fullDocument),
    )
    expectTypeOf(orders).toEqualTypeOf<(input: Event, context?: TransformContext) => Order | null>()
  })

  it('takes events of any document where nothing else is said', () => {
    const documents = pipe(
      onlyOperations('insert'),
      map(event => event.fullDocument),
    )
    expectTypeOf(documents).parameter(0).toEqualTypeOf<ChangeStreamDocument>()
    expectTypeOf(documents).returns.toEqualTypeOf<Document | null>()
  })

  it('fits where another pipe goes on', () => {
    const orders = pipe(
      (event: ChangeStreamInsertDocument<Order>) => event.fullDocument,
      filter(order => order.total > 1),
    )
    create({ source, transform: pipe(onlyOperations('insert'), orders, toMessage), sink })
  })
})

describe('the return type of a pipe', () => {
  const one = (_: string): number => 1
  const maybe = (_: number): number | null => null
  const many = (_: number): string[] => []
  const later = async (n: number): Promise<number> => n
  const laterMany = async (_: number): Promise<string[]> => []
  const maybeLater = (n: number): number | Promise<number> => n

  it('has no promise where every step is synchronous', () => {
    expectTypeOf(pipe(one)('')).toEqualTypeOf<number>()
    expectTypeOf(pipe(one, maybe)('')).toEqualTypeOf<number | null>()
    expectTypeOf(pipe(one, many)('')).toEqualTypeOf<string[]>()
    expectTypeOf(pipe(one, maybe, many)('')).toEqualTypeOf<string[] | null>()
  })

  it('stays an array once a step gave one, and has no null then', () => {
    expectTypeOf(pipe(many, one)(1)).toEqualTypeOf<number[]>()
    expectTypeOf(pipe(many, one, maybe)(1)).toEqualTypeOf<number[]>()
    expectTypeOf(pipe(many, one, many)(1)).toEqualTypeOf<string[]>()
  })

  it('is a promise where a step returns one, and only there', () => {
    expectTypeOf(pipe(later)(1)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(pipe(one, later)('')).toEqualTypeOf<Promise<number>>()
    expectTypeOf(pipe(later, maybe)(1)).toEqualTypeOf<Promise<number | null>>()
    expectTypeOf(pipe(laterMany, one)(1)).toEqualTypeOf<Promise<number[]>>()
    expectTypeOf(pipe(maybe, later)(1)).toEqualTypeOf<null | Promise<number | null>>()
    expectTypeOf(pipe(maybeLater, maybe)(1)).toEqualTypeOf<number | null | Promise<number | null>>()
    // An empty array reaches no further step: no promise then.
    expectTypeOf(pipe(many, one, later)(1)).toEqualTypeOf<number[] | Promise<number[]>>()
  })

  it('takes null out of arrays', () => {
    expectTypeOf(pipe((n: number) => [n, null])(1)).toEqualTypeOf<number[]>()
  })

  it('is that of ten steps', () => {
    const twice = (n: number): number => n * 2
    const ten = pipe(one, twice, twice, twice, twice, twice, twice, twice, later, many)
    expectTypeOf(ten).toEqualTypeOf<(input: string, context?: TransformContext) => Promise<string[]>>()
  })
})

describe('the built-in steps', () => {
  it('onlyOperations narrows the event', () => {
    const only = onlyOperations<'insert' | 'update', Event>('insert', 'update')
    expectTypeOf(only).returns.toEqualTypeOf<
      ChangeStreamInsertDocument<Order> | ChangeStreamUpdateDocument<Order> | null
    >()
  })

  it('filter narrows with a type guard, written or inferred', () => {
    const isPaid = (order: Order): order is Order & { status: 'paid' } => order.status === 'paid'
    expectTypeOf(pipe(filter(isPaid))).returns.toEqualTypeOf<(Order & { status: 'paid' }) | null>()
    const present = pipe(
      (order: { note?: string }) => order.note ?? 5,
      filter(note => typeof note === 'string'),
    )
    expectTypeOf(present).returns.toEqualTypeOf<string | null>()
  })

  it('filter is asynchronous as its predicate is', () => {
    expectTypeOf(filter((n: number) => n > 1)).returns.toEqualTypeOf<number | null>()
    expectTypeOf(filter(async (n: number) => n > 1)).returns.toEqualTypeOf<Promise<number | null>>()
  })

  it('map returns what its function returns', () => {
    expectTypeOf(map((n: number) => [n])).toEqualTypeOf<(input: number, context?: TransformContext) => number[]>()
  })

  it('are transforms', () => {
    expectTypeOf(onlyOperations<'insert', Event>('insert')).toExtend<Transform<Event, Event>>()
    expectTypeOf(whenChanged<Event>('a', ['b.c', 'd'])).toExtend<Transform<Event, Event>>()
    expectTypeOf(pick<Event>('a', ['b.c', 'd'])).toExtend<Transform<Event, Event>>()
    expectTypeOf(omit<Event>('a', ['b.c', 'd'])).toExtend<Transform<Event, Event>>()
    expectTypeOf(rename<Event>([[['b.c', 'd'], 'e']])).toExtend<Transform<Event, Event>>()
    expectTypeOf(redact<Event>(new Map([['a', 'remove']]))).toExtend<Transform<Event, Event>>()
    expectTypeOf(onlyNamespaces<Event>('a.b', /c/)).toExtend<Transform<Event, Event>>()
    expectTypeOf(filter(async (n: number) => n > 1)).toExtend<Transform<number, number>>()
  })
})

describe('what does not compile', () => {
  it('steps in the wrong order', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        map(event => event.fullDocument),
        // @ts-expect-error: an order is no event
        shape(),
      ),
      sink,
    })
    create({
      source,
      transform: pipe(
        shape(),
        // @ts-expect-error: after the shape there is no document left
        map(message => message.fullDocument),
      ),
      sink,
    })
    // @ts-expect-error: a message is no event
    pipe(toMessage, onlyOperations('insert'))
    // @ts-expect-error: the event is not yet an order
    create({ source, transform: pipe(onlyOperations('insert'), toMessage), sink })
    pipe(
      (n: number) => String(n),
      // @ts-expect-error: gets a string
      (n: number) => n + 1,
    )
  })

  it('a chain that does not end in what the sink takes', () => {
    create({
      source,
      // @ts-expect-error: an order is no message
      transform: pipe(
        onlyOperations('insert'),
        map(event => event.fullDocument),
      ),
      sink,
    })
    // @ts-expect-error: nor is the event
    create({ source, transform: onlyOperations('insert'), sink })
    // @ts-expect-error: a body of the wrong type
    create({ source, transform: pipe(map(event => ({ body: event.operationType }))), sink })
  })

  it('a field that the operations left do not have', () => {
    create({
      source,
      transform: pipe(
        onlyOperations('delete'),
        // @ts-expect-error: a delete has no document
        map(event => toMessage(event.fullDocument)),
      ),
      sink,
    })
    pipe(
      (event: ChangeStreamUpdateDocument<Order>) => event,
      // @ts-expect-error: an update may be without document
      map(event => event.fullDocument),
    )
    create({
      source,
      transform: pipe(
        onlyOperations('insert'),
        // @ts-expect-error: a field that orders don't have
        filter(event => event.fullDocument.totl > 1),
        shape(),
      ),
      sink,
    })
  })

  it('a forgotten return', () => {
    // @ts-expect-error: returns nothing
    map((event: Event) => {
      event.operationType
    })
    // @ts-expect-error: undefined is no output
    pipe((n: number) => (n > 1 ? n : undefined))
    // @ts-expect-error: a predicate has to answer
    filter((n: number) => {
      n > 1
    })
  })

  it('wrong arguments of the factories', () => {
    // @ts-expect-error: no such operation
    onlyOperations('upsert')
    // @ts-expect-error: at least one
    onlyOperations()
    // @ts-expect-error: at least one
    onlyNamespaces()
    // @ts-expect-error: at least one
    whenChanged()
    // @ts-expect-error: at least one
    pick()
    // @ts-expect-error: at least one
    omit()
    // @ts-expect-error: no such redaction
    redact({ a: 'drop' })
    // @ts-expect-error: a number of characters
    redact({ a: { mask: '*', keepLast: '4' } })
    // @ts-expect-error: a hash needs a key
    redact({ a: { hash: {} } })
    // @ts-expect-error: a name
    rename({ a: ['b'] })
    // @ts-expect-error: at least one
    pipe()
    // @ts-expect-error: not a predicate
    filter((n: number) => n)
  })
})
