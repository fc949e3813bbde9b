import { messageOf, PublishError } from '../errors.js'
import type { AmqpReturn } from './amqp-types.js'
import type { WireMessage } from './message-check.js'

/** The ways in which one message isn't taken. No routing key, header or body is in their texts: these may be data. */

/** `basic.nack`: RabbitMQ gives no reason. https://www.rabbitmq.com/docs/confirms#server-sent-nacks */
export function nacked({ exchange }: WireMessage): PublishError {
  const hint = 'most often a queue is full and has `overflow: "reject-publish"`, or its node is down'
  const text = `RabbitMQ did not take a message for the exchange '${exchange}'`
  return new PublishError('CDC_NACKED', 'nack', text, { hint, retryable: true })
}

/** `basic.return` of a mandatory message. */
export function unroutable({ exchange }: WireMessage, { fields }: AmqpReturn): PublishError {
  const hint = 'bind a queue, give the exchange an alternate exchange, or set `mandatory: false` to drop such messages'
  const text = `No queue is bound to the exchange '${exchange}' for the routing key of a message: ${fields.replyText}`
  return new PublishError('CDC_UNROUTABLE', 'unroutable', text, { hint, retryable: true })
}

/** The broker closed the channel over it. */
export function refused(error: unknown): PublishError {
  const { code } = error as { code?: unknown }
  const text = `RabbitMQ closed the channel because of this message: ${messageOf(error)}`
  // A missing exchange or permission may come; a property that the broker doesn't accept stays as it is.
  const retryable = code === 404 || code === 403
  return new PublishError('CDC_MESSAGE_REFUSED', 'refused', text, { cause: error, retryable })
}

/** amqplib threw; its text may hold values, its name doesn't. */
export function unencodable(error: unknown): PublishError {
  const text = `amqplib could not encode the message: ${(error as Error).name}`
  return new PublishError('CDC_MESSAGE_INVALID', 'invalid', text)
}
