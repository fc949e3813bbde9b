/**
 * Which properties a message has: their bits in the frame, in the order of the properties from the highest bit down.
 * Headers are a table, delivery mode, priority and timestamp are numbers, the others short strings.
 * Format: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, section 4.2.6.1.
 */
export const SHORT_STRINGS = {
  contentType: 0x8000,
  contentEncoding: 0x4000,
  correlationId: 0x0400,
  replyTo: 0x0200,
  expiration: 0x0100,
  messageId: 0x0080,
  type: 0x0020,
  userId: 0x0010,
  appId: 0x0008,
} as const
export const HEADERS = 0x2000
export const DELIVERY_MODE = 0x1000
export const PRIORITY = 0x0800
export const TIMESTAMP = 0x0040
