/**
 * The part of amqplib that is used, as structural types: they fit the majors 0.10, 1 and 2, and neither the published
 * types nor an import of this package need amqplib.
 */

/** A listener of any event: amqplib's own declarations fit it, and those of `@types/amqplib`. */
export type AmqpListener = (...args: unknown[]) => void

/** A connection made by amqplib's promise API (its `ChannelModel`). */
export interface AmqpConnection {
  /** Opens a channel for topology. */
  createChannel(): Promise<AmqpChannel>
  /** Opens a channel in confirm mode, for messages. */
  createConfirmChannel(): Promise<AmqpConfirmChannel>
  /** Only called where the connection is the publisher's own. */
  close(): Promise<unknown>
  /** From amqplib 0.10.4 on. */
  updateSecret?(secret: Buffer, reason: string): Promise<unknown>
  /** For `close`, `error`, `blocked` and `unblocked`. */
  on(event: string, listener: AmqpListener): unknown
  /** Takes back a listener of `on`. */
  removeListener(event: string, listener: AmqpListener): unknown
}

/** A channel, as far as topology needs it. */
export interface AmqpChannel {
  assertExchange(exchange: string, type: string, options: object): Promise<unknown>
  checkExchange(exchange: string): Promise<unknown>
  assertQueue(queue: string, options: object): Promise<unknown>
  checkQueue(queue: string): Promise<unknown>
  bindQueue(queue: string, source: string, pattern: string, args: object): Promise<unknown>
  close(): Promise<unknown>
  on(event: string, listener: AmqpListener): unknown
  removeListener(event: string, listener: AmqpListener): unknown
}

/** A channel in confirm mode. */
export interface AmqpConfirmChannel extends AmqpChannel {
  publish(exchange: string, routingKey: string, content: Buffer, options: object): boolean
  on(event: 'ack' | 'nack', listener: (confirm: AmqpConfirm) => void): unknown
  on(event: 'return', listener: (info: AmqpReturn) => void): unknown
  on(event: string, listener: AmqpListener): unknown
}

/** What goes into the frames of one message. `undefined` means left out. */
export interface AmqpPublishOptions {
  readonly mandatory: boolean
  /** 2: written to disk. */
  readonly deliveryMode: 1 | 2
  readonly messageId: string
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly timestamp: number | undefined
  readonly type: string | undefined
  readonly priority: number | undefined
  readonly expiration: string | undefined
  readonly correlationId: string | undefined
  readonly replyTo: string | undefined
  readonly appId: string | undefined
  readonly userId: string | undefined
  readonly headers: Record<string, unknown>
}

/** Fields of `basic.ack` and `basic.nack`. */
export interface AmqpConfirm {
  readonly deliveryTag: number
  readonly multiple: boolean
}

/** A message that came back because no queue was bound. */
export interface AmqpReturn {
  readonly fields: { readonly exchange: string; readonly routingKey: string; readonly replyText: string }
  readonly properties: { readonly messageId?: unknown }
}

/** Where and as whom to connect, in amqplib's object form: unlike its URL form it takes any password as it is. */
export interface AmqpTarget {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly vhost: string
  readonly heartbeat: number
  readonly frameMax: number
  readonly channelMax: number
  readonly locale: string
}

/** The module `amqplib`. */
export interface AmqpModule {
  connect(target: AmqpTarget, socketOptions: object): Promise<AmqpConnection>
}
