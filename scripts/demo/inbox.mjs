// The consumer's side of the demo: takes every message from the queue in order of arrival.

import amqp from 'amqplib'

/** Opens the queue; `received` grows with each message. The queue is emptied first, for a broker that stays. */
export async function openInbox(url, queue) {
  const connection = await amqp.connect(url)
  connection.on('error', () => undefined) // the end of the demo takes the broker away
  const channel = await connection.createChannel()
  await channel.assertQueue(queue, { durable: true })
  await channel.purgeQueue(queue)
  const inbox = { received: [], onMessage: () => undefined, close: () => connection.close().catch(() => undefined) }
  await channel.consume(queue, message => {
    if (message === null) return
    const { messageId, headers } = message.properties
    const received = {
      messageId,
      operation: headers['x-cdc-operation'],
      order: headers['x-cdc-order'],
      body: JSON.parse(message.content.toString('utf8')),
    }
    channel.ack(message)
    inbox.received.push(received)
    inbox.onMessage(received)
  })
  return inbox
}
