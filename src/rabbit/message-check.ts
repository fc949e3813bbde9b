import { type CdcErrorCode, PublishError } from '../errors.js'
import type { RabbitMessage } from '../types.js'
import { HALF, isWellFormed } from '../well-formed.js'
import type { AmqpPublishOptions } from './amqp-types.js'
import { checkHeaders } from './header-check.js'

/** A message as it goes to the channel. */
export interface WireMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly body: Buffer
  readonly options: AmqpPublishOptions
}

/** What a message inherits from the publisher. */
export interface MessageDefaults {
  readonly exchange: string
  readonly routingKey: string
  readonly persistent: boolean
  readonly mandatory: boolean
  readonly maxMessageBytes: number
}

/** A short string of AMQP has its length in one byte (https://www.rabbitmq.com/amqp-0-9-1-reference). */
const MAX_SHORT_BYTES = 255
/** The last second of the year 9999: more is a time in milliseconds. */
const MAX_TIMESTAMP = 253_402_300_799

/**
 * Makes what the channel sends, or throws a PublishError with reason `invalid` that isn't retryable: the broker would
 * close the channel over such a message and fail every other message in flight. No value of the message is in the text.
 */
export function checkMessage(
  message: RabbitMessage,
  messageId: string,
  publishedAt: string,
  defaults: MessageDefaults,
): WireMessage {
  const given: unknown = message?.body
  if (!(given instanceof Uint8Array)) refuseBody(given)
  if (given.byteLength > defaults.maxMessageBytes) {
    const limit = `\`maxMessageBytes\` is ${defaults.maxMessageBytes}`
    fail('CDC_MESSAGE_TOO_LARGE', `The body has ${given.byteLength} bytes, and ${limit}`)
  }
  const { exchange = defaults.exchange, routingKey = defaults.routingKey } = message
  const { persistent = defaults.persistent, mandatory = defaults.mandatory, timestamp } = message
  checkShort('exchange', exchange)
  checkShort('routingKey', routingKey, 'CDC_ROUTING_KEY_TOO_LONG')
  checkShort('messageId', messageId)
  if (message.contentType !== undefined) checkShort('contentType', message.contentType)
  if (message.contentEncoding !== undefined) checkShort('contentEncoding', message.contentEncoding)
  if (message.type !== undefined) checkShort('type', message.type)
  if (timestamp !== undefined) checkTimestamp(timestamp)
  const { headers } = checkHeaders(message.headers, publishedAt)
  return {
    exchange,
    routingKey,
    body: Buffer.isBuffer(given) ? given : Buffer.from(given.buffer, given.byteOffset, given.byteLength),
    options: {
      mandatory,
      deliveryMode: persistent ? 2 : 1,
      messageId,
      contentType: message.contentType,
      contentEncoding: message.contentEncoding,
      timestamp,
      type: message.type,
      headers,
    },
  }
}

function checkShort(name: string, value: unknown, tooLong: CdcErrorCode = 'CDC_MESSAGE_INVALID'): void {
  if (typeof value !== 'string')
    fail('CDC_MESSAGE_INVALID', `Expected \`${name}\` to be a string, got a ${typeof value}`)
  // It would go out as U+FFFD: to another queue, and as a message that isn't recognised when it comes back.
  if (!isWellFormed(value)) {
    fail('CDC_MESSAGE_INVALID', `Expected \`${name}\` to be well-formed Unicode, got ${HALF}`)
  }
  // A UTF-16 unit has at most 3 bytes in UTF-8: most strings need no counting.
  if (value.length * 3 <= MAX_SHORT_BYTES) return
  const bytes = Buffer.byteLength(value)
  if (bytes > MAX_SHORT_BYTES) fail(tooLong, `Expected \`${name}\` to have at most 255 bytes in UTF-8, got ${bytes}`)
}

function checkTimestamp(value: unknown): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TIMESTAMP) return
  fail('CDC_MESSAGE_INVALID', 'Expected `timestamp` to be whole seconds since 1970, as AMQP has it, not milliseconds')
}

function refuseBody(given: unknown): never {
  const got = given === null || given === undefined ? String(given) : `a ${typeof given}`
  const hint = 'make bytes of it: `Buffer.from(string)`, with `JSON.stringify` before for an object'
  fail('CDC_MESSAGE_INVALID', `Expected \`body\` to be a Uint8Array, got ${got.replace('a object', 'an object')}`, hint)
}

function fail(code: CdcErrorCode, text: string, hint?: string): never {
  throw new PublishError(code, 'invalid', text, hint === undefined ? {} : { hint })
}
