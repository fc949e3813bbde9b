// npm run demo: real documents from a real MongoDB through transforms into a real RabbitMQ, with the pipeline killed
// half-way. Ends with a table of what was written, what arrived, and what was lost.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { MongoClient } from 'mongodb'
import { commandLine } from '../command-line.mjs'
import { startServices } from '../services/index.mjs'
import { check, isGood, readTruth } from './check.mjs'
import { crawl, planned } from './crawler.mjs'
import { openInbox } from './inbox.mjs'
import { printIntroduction, printKeepHelp, printResult, printSample, progress, say } from './report.mjs'

const { values: flags } = commandLine('npm run demo [-- --keep]', args =>
  parseArgs({ args, options: { keep: { type: 'boolean', default: false } } }),
)
// Ours alone, also on servers that MONGODB_URI and AMQP_URL name.
const DATABASE = 'mongo_rabbit_cdc_demo'
const QUEUE = 'mongo-rabbit-cdc-demo'
const PATIENCE_MS = 60_000

const started = performance.now()
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))

printIntroduction(planned)
const services = await startServices({ onProgress: say })
let pipeline
let client
let inbox
try {
  process.exitCode = await run()
} catch (error) {
  if (!stopping.signal.aborted) say(`The demo failed: ${error instanceof Error ? error.stack : error}`)
  process.exitCode = stopping.signal.aborted ? 0 : 1
} finally {
  pipeline?.kill('SIGKILL')
  await inbox?.close()
  await client?.close()
  await services.stop()
}

async function run() {
  client = await new MongoClient(services.mongo.uri).connect()
  await client.db(DATABASE).dropDatabase() // of an earlier run, where MONGODB_URI names a server that stays
  inbox = await openInbox(services.rabbit.url, QUEUE)
  const from = (await client.db('admin').command({ hello: 1 })).operationTime

  say('Starting the pipeline in a process of its own')
  pipeline = await startPipeline()
  const crawling = crawl(client.db(DATABASE), { signal: stopping.signal })
  const half = Math.floor(planned / 2)
  await until(
    () => inbox.received.length >= half,
    () => progress(crawling.written, inbox.received.length, planned),
  )
  say(`SIGKILL to the pipeline (process ${pipeline.pid}), while the crawlers go on writing`)
  const killed = once(pipeline, 'exit')
  pipeline.kill('SIGKILL')
  await killed
  const missedFrom = crawling.written
  await until(() => crawling.written >= Math.min(missedFrom + 60, planned))
  say(`${crawling.written - missedFrom} changes were written with no pipeline running; starting it again`)
  pipeline = await startPipeline()

  await crawling.done
  const truth = await readTruth(client, DATABASE, from, crawling)
  const result = await until(
    () => {
      const found = check(truth, inbox.received)
      return found.lost === 0 && found
    },
    () => progress(crawling.written, inbox.received.length, planned),
    () => check(truth, inbox.received),
  )
  for (const operation of ['insert', 'update', 'delete']) printSample(inbox.received, operation)
  const stopped = once(pipeline, 'exit')
  const print = () =>
    printResult({ ...result, written: crawling.written, seconds: (performance.now() - started) / 1000 })
  if (flags.keep) {
    print()
    printKeepHelp(services, DATABASE, QUEUE)
    inbox.onMessage = message => printSample([message], message.operation)
    await once(stopping.signal, 'abort')
  }
  pipeline.send('stop')
  await stopped
  if (!flags.keep) print()
  return isGood(result) ? 0 : 1
}

/** Forks the pipeline and waits until its stream stands. */
async function startPipeline() {
  const env = { ...process.env, MONGODB_URI: services.mongo.uri, AMQP_URL: services.rabbit.url, DATABASE, QUEUE }
  const child = fork(new URL('pipeline.mjs', import.meta.url), { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`The pipeline ended with code ${code} before it was ready`)
  })
  await Promise.race([once(child, 'message'), failed])
  failed.catch(() => undefined) // it may exit now: that's the point of this demo
  return child
}

/** Polls until the condition gives something, and shows how it goes on; ends with `otherwise()` when it takes too long. */
async function until(condition, show = () => undefined, otherwise) {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    stopping.signal.throwIfAborted()
    const found = condition()
    show()
    if (found) return found
    if (Date.now() > end) {
      if (otherwise) return otherwise()
      throw new Error(`Nothing moved on within ${PATIENCE_MS / 1000} s`)
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}
