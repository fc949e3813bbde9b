import type { EventEmitter } from 'node:events'
import type * as newest from 'amqplib'
import type * as older from 'amqplib-1'
import { describe, expectTypeOf, it } from 'vitest'
import type { AmqpConnection } from '../../src/index.js'

// `@types/amqplib`, which describes amqplib 0.10, declares no event of its own.
type Untyped<T> = Omit<T, keyof EventEmitter> & EventEmitter
interface UntypedConnection extends EventEmitter {
  createChannel(): Promise<Untyped<older.Channel>>
  createConfirmChannel(): Promise<Untyped<older.ConfirmChannel>>
  close(): Promise<void>
}

describe('AmqpConnection', () => {
  it('fits the connections of every major of amqplib', () => {
    expectTypeOf<UntypedConnection>().toExtend<AmqpConnection>()
    expectTypeOf<older.ChannelModel>().toExtend<AmqpConnection>()
    expectTypeOf<newest.ChannelModel>().toExtend<AmqpConnection>()
  })

  it('does not fit one without confirm channels', () => {
    expectTypeOf<Omit<newest.ChannelModel, 'createConfirmChannel'>>().not.toExtend<AmqpConnection>()
  })
})
