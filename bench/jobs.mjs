// Runs contenders, each in a process of its own, into an empty queue.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import amqp from 'amqplib'

/** Ours alone, also on a server that MONGODB_URI names. */
export const DATABASE = 'mongo_rabbit_cdc_bench'

/** Returns the function that runs a script with so many events and resolves to its figures. */
export function runner({ client, mongoUri, amqpUrl, from }) {
  return async function run(script, count, { queueType = 'classic', url = amqpUrl } = {}) {
    const queue = `mongo-rabbit-cdc-bench-${queueType}`
    await deleteQueue(amqpUrl, queue)
    await client.db(DATABASE).collection('checkpoints').deleteMany({})
    const env = {
      ...process.env,
      MONGODB_URI: mongoUri,
      AMQP_URL: url,
      QUEUE: queue,
      QUEUE_TYPE: queueType,
      DATABASE,
      COUNT: String(count),
      FROM: `${from.t}.${from.i}`,
    }
    const child = start(script, { env })
    let output = ''
    child.stdout.on('data', data => {
      output += data
    })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`${script} ended with code ${code}`)
    await deleteQueue(amqpUrl, queue)
    return JSON.parse(output)
  }
}

/** The counting broker in a process of its own, so that its CPU isn't the client's. */
export async function countingBroker() {
  const child = start('counting-broker.mjs', {})
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
  return { url: line.trim(), stop: () => child.kill() }
}

function start(script, options) {
  const path = new URL(script, import.meta.url).pathname
  return spawn(process.execPath, [path], { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
}

async function deleteQueue(url, queue) {
  const connection = await amqp.connect(url)
  const channel = await connection.createChannel()
  await channel.deleteQueue(queue)
  await connection.close()
}
