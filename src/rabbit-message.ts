/** A header value that AMQP can carry without changing its type. Dates, BigInts and NaN are refused. */
export type HeaderValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly HeaderValue[]
  | { readonly [name: string]: HeaderValue }

/** What the message shapes make and the publisher sends. Names are AMQP's. */
export interface RabbitMessage {
  readonly body: Uint8Array
  /** At most 255 bytes in UTF-8. @default the publisher's `routingKey` */
  readonly routingKey?: string
  /** @default the publisher's exchange */
  readonly exchange?: string
  /** @default 'application/json' when made by a message shape */
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers?: { readonly [name: string]: HeaderValue | undefined }
  /** At most 255 bytes. @default the stable id that the pipeline gives */
  readonly messageId?: string
  /** In **seconds** since 1970, as AMQP has it: the time of the change. */
  readonly timestamp?: number
  readonly type?: string
  /** From 0 to 255, for queues with `x-max-priority`; where order matters it must be the same for all. */
  readonly priority?: number
  /** After so many **milliseconds**, as a string of digits, RabbitMQ drops it unread: a change is lost. */
  readonly expiration?: string
  /** At most 255 bytes. */
  readonly correlationId?: string
  /** The queue for answers, at most 255 bytes; not `amq.rabbitmq.reply-to`. */
  readonly replyTo?: string
  /** At most 255 bytes. */
  readonly appId?: string
  /** RabbitMQ checks it: the user name that the publisher logs in with, nothing else. */
  readonly userId?: string
  /** Further routing keys, each at most 255 bytes. Consumers see them. Never from data: each reaches another queue. */
  readonly CC?: readonly string[]
  /** The same, hidden from consumers. */
  readonly BCC?: readonly string[]
  /** Written to disk by the broker. @default the publisher's `persistent` */
  readonly persistent?: boolean
  /** Returned, which counts as failed, when no queue is bound. @default the publisher's `mandatory` */
  readonly mandatory?: boolean
}
