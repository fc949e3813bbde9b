import { describe, expectTypeOf, test } from 'vitest'
import type { CheckpointError } from '../../src/errors.js'
import type { PipelineState } from '../../src/events.js'
import { deadLetterMessage } from '../../src/message/dead-letter-message.js'
import type { CdcPipeline } from '../../src/pipeline/cdc-pipeline.js'
import { createCdcPipeline } from '../../src/pipeline/create-cdc-pipeline.js'
import type { LeaseSummary } from '../../src/pipeline/terms.js'
import { omit } from '../../src/transform/omit.js'
import { pipe } from '../../src/transform/pipe.js'
import { redact } from '../../src/transform/redact.js'
import type { CheckpointStore, Lease, LeaseRequest, RabbitMessage, Sink, Source, Transform } from '../../src/types.js'

interface Change {
  readonly id: number
}
declare const source: Source<Change>
declare const sink: Sink<RabbitMessage>
declare const checkpointStore: CheckpointStore
declare const body: Uint8Array
declare const parts: { name: string; source: typeof source; sink: typeof sink; checkpointStore: typeof checkpointStore }

describe('createCdcPipeline', () => {
  test('gives the transform the events of the source', () => {
    const pipeline = createCdcPipeline({
      ...parts,
      transform: change => {
        expectTypeOf(change).toEqualTypeOf<Change>()
        return { body }
      },
      ordering: change => String(change.id),
    })
    expectTypeOf(pipeline).toEqualTypeOf<CdcPipeline>()
  })

  test('takes a transform that returns one message, several, none, or a promise of them', () => {
    createCdcPipeline({ ...parts, transform: () => [{ body }, { body, routingKey: 'a' }] })
    createCdcPipeline({ ...parts, transform: () => null })
    createCdcPipeline({ ...parts, transform: async change => (change.id > 1 ? { body } : null) })
    createCdcPipeline({ ...parts, transform: (() => ({ body })) as Transform<Change, RabbitMessage> })
  })

  test('does not compile when the transform returns something that the sink does not take', () => {
    // @ts-expect-error a body must be bytes
    createCdcPipeline({ ...parts, transform: () => ({ body: 'text' }) })
    // @ts-expect-error the event itself is no message
    createCdcPipeline({ ...parts, transform: change => change })
    // @ts-expect-error a supertype of a message is none
    createCdcPipeline({ ...parts, transform: () => ({}) as object })
    // @ts-expect-error a forgotten return
    createCdcPipeline({ ...parts, transform: () => undefined })
    // @ts-expect-error a forgotten return on one way
    createCdcPipeline({ ...parts, transform: change => (change.id > 1 ? { body } : undefined) })
  })

  test('does not compile when the transform takes other events than the source gives', () => {
    // @ts-expect-error the source gives no `name`
    createCdcPipeline({ ...parts, transform: (change: { name: string }) => (change.name ? { body } : null) })
  })

  test('does not compile with an option that does not exist', () => {
    // @ts-expect-error misspelt
    createCdcPipeline({ ...parts, transform: () => null, maxInflight: 5 })
  })

  test('types the payload of each event', () => {
    const pipeline = createCdcPipeline({ ...parts, transform: () => null })
    pipeline.on('state', change => expectTypeOf(change.reasons).toEqualTypeOf<readonly string[]>())
    // @ts-expect-error no such event
    pipeline.on('error', () => {})
  })
})

describe('failing events', () => {
  test('a function in `onFailedEvent` and `deadLetter.message` get the events of the source', () => {
    createCdcPipeline({
      ...parts,
      transform: () => ({ body }),
      onFailedEvent: async ({ event, attempts }) => {
        expectTypeOf(event).toEqualTypeOf<Change>()
        return attempts < 3 ? 'retry' : 'dead-letter'
      },
      deadLetter: {
        message: ({ event, failedAt }) => {
          expectTypeOf(event).toEqualTypeOf<Change>()
          return { body, timestamp: failedAt.getTime() / 1000 }
        },
      },
    })
    createCdcPipeline({ ...parts, transform: () => ({ body }), deadLetter: { sink, message: deadLetterMessage() } })
  })

  test('a letter is redacted by what `redact` and `pipe` make, or by a function of the event, or by decision not', () => {
    const hide = redact({ card: 'remove' })
    deadLetterMessage({ redact: hide })
    deadLetterMessage({ redact: redact({ card: 'remove' }) })
    deadLetterMessage({ redact: pipe(omit('sessions'), redact({ card: { mask: '*' } })) })
    deadLetterMessage({ redact: (event: Change) => ({ ...event, id: 0 }) })
    deadLetterMessage({ redact: false })
    // @ts-expect-error a letter without an event can't be sent again
    deadLetterMessage({ redact: () => null })
    // @ts-expect-error the letter is made at once
    deadLetterMessage({ redact: async event => event })
    // @ts-expect-error by whom?
    deadLetterMessage({ redact: true })
  })

  test('does not compile with a word that is no action, or a letter that the sink does not take', () => {
    // @ts-expect-error `retry` alone would never end
    createCdcPipeline({ ...parts, transform: () => ({ body }), onFailedEvent: 'retry' })
    // @ts-expect-error not an action
    createCdcPipeline({ ...parts, transform: () => ({ body }), onFailedEvent: () => 'ignore' })
    // @ts-expect-error a body must be bytes
    createCdcPipeline({ ...parts, transform: () => ({ body }), deadLetter: { message: () => ({ body: 'text' }) } })
  })
})

describe('the lease of several instances', () => {
  test('is an option, two events and a part of the health', () => {
    const pipeline = createCdcPipeline({ ...parts, transform: () => ({ body }), lease: { ttlMs: 30_000 } })
    pipeline.on('leaseAcquired', ({ epoch }) => expectTypeOf(epoch).toEqualTypeOf<number>())
    pipeline.on('leaseFailed', ({ error, attempt, delayMs }) => {
      expectTypeOf({ error, attempt, delayMs }).toEqualTypeOf<{ error: unknown; attempt: number; delayMs: number }>()
    })
    pipeline.on('leaseLost', ({ error }) => expectTypeOf(error).toEqualTypeOf<CheckpointError>())
    expectTypeOf(pipeline.health().lease).toEqualTypeOf<LeaseSummary | undefined>()
    expectTypeOf<'standby'>().toExtend<PipelineState>()
    // @ts-expect-error for how long?
    createCdcPipeline({ ...parts, transform: () => ({ body }), lease: {} })
    // @ts-expect-error not so
    createCdcPipeline({ ...parts, transform: () => ({ body }), lease: true })
  })

  test('is given by a store that has `acquire`, and needs nothing of those that have not', () => {
    const plain: CheckpointStore = { load: async () => undefined, save: async () => {} }
    const leasing: CheckpointStore = {
      ...plain,
      acquire: async ({ name, holder, ttlMs }: LeaseRequest): Promise<Lease | undefined> =>
        ttlMs > 0 && name !== holder ? { epoch: 1, renew: async () => true, release: async () => {} } : undefined,
    }
    expectTypeOf(leasing.acquire).not.toBeAny()
  })
})
