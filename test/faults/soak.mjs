// npm run test:soak -- --minutes 30: a steady load with a lost connection now and then, and a look at what the process
// of the pipeline holds. What grows with the time and not with the load is a leak: then it exits with 1.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import amqp from 'amqplib'
import { MongoClient } from 'mongodb'
import { commandLine } from '../../scripts/command-line.mjs'
import { startServices, tcpProxy } from '../../scripts/services/index.mjs'
import { describeSample, heading, judge } from './soak-verdict.mjs'

const [minutes, writesPerSecond] = commandLine('npm run test:soak [-- --minutes 30 --writes 200]', args => {
  const options = { minutes: { type: 'string', default: '30' }, writes: { type: 'string', default: '200' } }
  const { values } = parseArgs({ args, options })
  return ['minutes', 'writes'].map(name => {
    if (Number(values[name]) > 0) return Number(values[name])
    throw new Error(`Expected \`--${name}\` to be a number above 0, got ${values[name]}`)
  })
})
const SAMPLE_EVERY_MS = Math.min(30_000, (minutes * 60_000) / 12)
/** Long enough for a checkpoint, an empty batch and a heartbeat of the driver. */
const REST_MS = Math.min(3_000, SAMPLE_EVERY_MS / 3)
const PATIENCE_MS = 60_000
const DATABASE = 'mongo_rabbit_cdc_soak'
const QUEUE = 'mongo-rabbit-cdc-soak'

const services = await startServices({
  mongo: { oplogSizeMb: 2_048 },
  onProgress: line => process.stderr.write(`${line}\n`),
})
const proxies = {
  mongo: await tcpProxy(Number(services.mongo.nodes[0].port)),
  rabbit: await tcpProxy(services.rabbit.port),
}
const client = await new MongoClient(services.mongo.uri).connect()
const connection = await amqp.connect(services.rabbit.url)
const load = { written: 0, resting: false, ended: false }
const arrived = new Map()
const newest = new Map()
let copies = 0
let disorder = 0
let child
try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  load.ended = true
  child?.kill('SIGKILL')
  await connection.close()
  await client.close()
  await Promise.all([proxies.mongo.close(), proxies.rabbit.close()])
  await services.stop()
}

async function run() {
  const channel = await connection.createChannel()
  await channel.assertQueue(QUEUE, { durable: true })
  await channel.consume(QUEUE, take, { noAck: true })
  const { operationTime: from } = await client.db('admin').command({ hello: 1 })
  child = await startPipeline()
  print(`${minutes} minutes, ${writesPerSecond} writes/s, node ${process.version}, MongoDB ${services.mongo.version}`)
  print(heading)

  const writing = write(client.db(DATABASE).collection('documents'))
  const samples = []
  const begun = performance.now()
  const end = begun + minutes * 60_000
  for (let n = 1; performance.now() < end; n++) {
    await pause(SAMPLE_EVERY_MS / 2)
    // Half-way between two samples: until the next one everything is connected again.
    proxies[n % 2 === 0 ? 'mongo' : 'rabbit'].reset()
    await pause(Math.max(0, begun + n * SAMPLE_EVERY_MS - performance.now() - REST_MS))
    const flow = await ask('flow')
    load.resting = true
    await pause(REST_MS)
    const sample = { minute: (performance.now() - begun) / 60_000, ...flow, ...(await ask('held')) }
    load.resting = false
    samples.push(sample)
    print(describeSample(sample))
  }
  load.ended = true
  await writing
  const lost = await missing(from)
  const stopped = once(child, 'exit')
  child.send('stop')
  const inTime = await Promise.race([stopped.then(() => true), pause(10_000, false, { ref: false })])

  print(`\nwritten ${load.written}, arrived ${arrived.size}, lost ${lost}, copies ${copies}, out of order ${disorder}`)
  const { lines, flat } = judge(samples)
  for (const line of lines) print(line)
  print(`the process ended by itself after the stop: ${inTime ? 'yes' : 'no'}`)
  const good = flat && inTime && lost === 0 && disorder === 0
  print(good ? 'flat: nothing grows with the time' : 'NOT GOOD')
  return good
}

async function startPipeline() {
  const env = {
    ...process.env,
    MONGODB_URI: `mongodb://127.0.0.1:${proxies.mongo.port}/?directConnection=true`,
    AMQP_URL: services.rabbit.url.replace(/:\d+$/, `:${proxies.rabbit.port}`),
    DATABASE,
    QUEUE,
  }
  const forked = fork(new URL('soak-pipeline.mjs', import.meta.url), {
    env,
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const failed = once(forked, 'exit').then(([code]) => {
    throw new Error(`The pipeline ended with code ${code}`)
  })
  failed.catch(() => undefined)
  await Promise.race([once(forked, 'message'), failed])
  return forked
}

async function ask(what) {
  const answer = once(child, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
  child.send(what)
  return (await answer)[0]
}

/** Inserts, updates, replacements and deletes of two hundred documents, at a steady pace. */
async function write(documents) {
  let due = performance.now()
  for (let n = 0; !load.ended; n++) {
    if (load.resting) {
      await pause(50)
      due = performance.now()
      n--
      continue
    }
    const _id = (n * 7) % 200
    const value = { n, text: 'x'.repeat(200) }
    let changed = 1
    if (n % 11 === 10) changed = (await documents.deleteOne({ _id })).deletedCount
    else if (n % 7 === 6) await documents.replaceOne({ _id }, value, { upsert: true })
    else await documents.updateOne({ _id }, { $set: value }, { upsert: true })
    load.written += changed
    due += 1_000 / writesPerSecond
    const wait = due - performance.now()
    if (wait > 0) await pause(wait)
  }
}

function take(message) {
  const order = message.properties.headers['x-cdc-order'].slice(0, 60)
  if (arrived.has(order)) {
    copies++
    return
  }
  arrived.set(order, true)
  const { documentKey } = JSON.parse(message.content.toString())
  if (order < (newest.get(documentKey?._id) ?? '')) disorder++
  newest.set(documentKey?._id, order)
}

/** How many of the changes that MongoDB tells of never came; waits for those under way. */
async function missing(from) {
  const stream = client.db(DATABASE).watch([{ $project: { _id: 1 } }], { startAtOperationTime: from })
  const truth = []
  for (let empty = 0; empty < 3; ) {
    const event = await stream.tryNext()
    if (event === null) empty++
    else truth.push(event._id._data.slice(0, 60))
  }
  await stream.close()
  if (truth.length !== load.written) print(`MongoDB tells of ${truth.length} changes, ${load.written} were written`)
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const lost = truth.filter(order => !arrived.has(order)).length
    if (lost === 0 || performance.now() > end) return lost
    await pause(200)
  }
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
