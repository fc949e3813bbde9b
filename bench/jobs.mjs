// Runs contenders, each in a process of its own, into an empty queue.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import amqp from 'amqplib'

/** Ours alone, also on a server that MONGODB_URI names. */
export const DATABASE = 'mongo_rabbit_cdc_bench'
/** Of the clock that Linux counts CPU time with. */
const TICKS_PER_SECOND = 100

/**
 * `run` runs a contender to its end and resolves to its figures. `endless` starts one that runs on: resolves when it
 * reads, to the function that ends it.
 */
export function runner(client, { mongoUri, amqpUrl, mongoPid }) {
  /** What a contender is told: script, backlog, how many events, and what differs from a plain run. */
  async function prepare({ backlog, count = 0, queueType = 'classic', url = amqpUrl, ...more }) {
    const queue = `mongo-rabbit-cdc-bench-${queueType}`
    await emptyQueue(amqpUrl, queue, queueType)
    await client.db(DATABASE).collection('checkpoints').deleteMany({})
    const told = { queue, queueType, database: DATABASE, mongoUri, amqpUrl: url, count, ...backlog, ...more }
    return { queue, env: { ...process.env, BENCH: JSON.stringify(told) } }
  }

  async function run({ script, label, ...contender }) {
    const { queue, env } = await prepare(contender)
    const cpu = cpuSecondsOf(mongoPid)
    const child = start(script, { env })
    let output = ''
    child.stdout.on('data', data => {
      output += data
    })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`${label}: ${script} ended with code ${code}`)
    const mongoCpuPerThousand = (cpuSecondsOf(mongoPid) - cpu) / (contender.count / 1000)
    await deleteQueue(amqpUrl, queue)
    return { ...JSON.parse(output), mongoCpuPerThousand }
  }

  async function endless({ script, ...contender }) {
    const { queue, env } = await prepare(contender)
    const child = start(script, { env })
    const [line] = await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), once(child, 'close')])
    if (typeof line !== 'string') throw new Error(`${script} ended with code ${line}`)
    const closed = once(child, 'close')
    return async function end() {
      child.kill()
      await closed
      await deleteQueue(amqpUrl, queue)
    }
  }

  return { run, endless }
}

/** Each contender once per round, in turns: what disturbs the machine for a minute disturbs them all. */
export async function inTurns({ rounds, run }, contenders) {
  const results = Object.fromEntries(Object.keys(contenders).map(key => [key, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const [key, contender] of toAndFro(round, Object.entries(contenders))) {
      const figures = await run(contender)
      results[key].push(figures)
      console.error(`round ${round} of ${rounds}, ${contender.label}: ${figures.perSecond} events/s`)
    }
  }
  return results
}

/** Backwards in each second round: what one leaves behind in the servers isn't always the same other's burden. */
export function toAndFro(round, list) {
  return round % 2 === 0 ? list.toReversed() : list
}

/** The counting broker in a process of its own, so that its CPU isn't the client's. */
export async function countingBroker() {
  const child = start('counting-broker.mjs', {})
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
  return { url: line.trim(), stop: () => child.kill() }
}

function start(script, options) {
  const path = new URL(script, import.meta.url).pathname
  // Its input is never written to: it closes when this process ends, however it ends.
  return spawn(process.execPath, [path], { ...options, stdio: ['pipe', 'pipe', 'inherit'] })
}

/** Seconds of CPU of another process so far; not a number where it can't be told. */
export function cpuSecondsOf(pid) {
  if (!pid || process.platform !== 'linux') return Number.NaN
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function emptyQueue(url, queue, type) {
  const connection = await amqp.connect(url)
  const channel = await connection.createChannel()
  await channel.deleteQueue(queue)
  await channel.assertQueue(queue, { arguments: queueArguments(type) })
  await connection.close()
}

async function deleteQueue(url, queue) {
  const connection = await amqp.connect(url)
  const channel = await connection.createChannel()
  await channel.deleteQueue(queue)
  await connection.close()
}

/** How the queue is declared; classic is what a broker makes of a plain one. */
export function queueArguments(type) {
  return type === 'quorum' ? { 'x-queue-type': 'quorum' } : {}
}
