// Latency: writes at a steady rate while a contender runs, and sees when each message arrives.

import { setTimeout as delay } from 'node:timers/promises'
import amqp from 'amqplib'
import { beginBacklog } from './backlog.mjs'

/** Between two writes at the most; what is due then is written at once. */
const TICK_MS = 5
/** Seconds of writes that don't count: a process that has just started compiles its code. */
const WARM_UP_SECONDS = 5
/** What hasn't arrived by then counts as never. */
const PATIENCE_MS = 30_000
const QUEUE = 'mongo-rabbit-cdc-bench-classic'

/** How many writes there are for so many that count. */
export function writesFor(counted, rate) {
  return counted + rate * WARM_UP_SECONDS
}

/**
 * Makes the writes for so many that count: `write(first, behindLast)` makes those of these numbers, from 0, and resolves
 * when they are acknowledged. Resolves to the milliseconds from the acknowledgement to the arrival of each that counts.
 */
export async function probe({ endless, amqpUrl, collection, contender, rate, counted, write }) {
  const count = writesFor(counted, rate)
  const acknowledged = new Float64Array(count).fill(Number.NaN)
  const arrived = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  const end = await endless({ ...contender, backlog: await beginBacklog(collection) })
  const connection = await amqp.connect(amqpUrl, { noDelay: true })
  const channel = await connection.createChannel()
  let missing = count
  await channel.consume(
    QUEUE,
    ({ content }) => {
      const now = performance.now()
      const n = numberIn(content)
      if (arrived[n] !== Number.POSITIVE_INFINITY) return // a copy
      arrived[n] = now
      missing -= 1
    },
    { noAck: true },
  )
  try {
    await writeAtRate()
    const until = performance.now() + PATIENCE_MS
    while (missing > 0 && performance.now() < until) await delay(50)
  } finally {
    await connection.close()
    await end()
  }
  return arrived.map((at, n) => at - acknowledged[n]).subarray(count - counted)

  async function writeAtRate() {
    const started = performance.now()
    const writes = []
    for (let done = 0; done < count; ) {
      await delay(TICK_MS)
      const due = Math.min(count, Math.floor(((performance.now() - started) * rate) / 1_000))
      if (due > done) writes.push(writeAndNote(done, due))
      done = due
    }
    await Promise.all(writes)
  }

  async function writeAndNote(first, behindLast) {
    await write(first, behindLast)
    acknowledged.fill(performance.now(), first, behindLast)
  }
}

/** Both shapes of message have a field `n`, and no other that ends in `"n"`. */
function numberIn(body) {
  const at = body.indexOf('"n":') + 4
  return Number.parseInt(body.toString('latin1', at, at + 12), 10)
}
