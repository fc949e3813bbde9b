import { createHash } from 'node:crypto'
import { type ConsumeMessage, connect } from 'amqplib'
import type { Arrival } from './history.js'

/** Everything that lies in a queue, in order. Read when nobody publishes any more: nothing is delivered again. */
export async function drain(url: string, queue: string): Promise<Arrival[]> {
  const connection = await connect(url)
  const lost = new Promise<never>((_, reject) => {
    connection.on('error', reject)
    connection.on('close', () => reject(new Error('The connection that drains was closed')))
  })
  lost.catch(() => {})
  try {
    const channel = await connection.createChannel()
    const { messageCount } = await channel.checkQueue(queue)
    const arrivals: Arrival[] = []
    if (messageCount === 0) return arrivals
    const all = new Promise<void>(resolve => {
      void channel.consume(queue, message => {
        if (message === null) return
        arrivals.push(arrivalOf(message))
        channel.ack(message)
        if (arrivals.length === messageCount) resolve()
      })
    })
    await Promise.race([all, lost, expired(120_000, `${messageCount} messages of ${queue}`)])
    return arrivals
  } finally {
    await connection.close().catch(() => {})
  }
}

function arrivalOf({ properties, content }: ConsumeMessage): Arrival {
  const headers: Record<string, unknown> = properties.headers ?? {}
  return {
    token: String(headers['x-cdc-token'] ?? headers['x-cdc-event-id']),
    messageId: String(properties.messageId),
    body: createHash('sha1').update(content).digest('base64'),
    bytes: content.length,
    lookedUp: headers['x-cdc-document'] === 'looked-up',
  }
}

function expired(ms: number, what: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`Expected ${what} within ${ms} ms`)), ms).unref()
  })
}
