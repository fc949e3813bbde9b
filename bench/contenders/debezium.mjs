// Debezium Server with its own RabbitMQ sink, watched from outside: events per second by the depth of the queue, CPU and
// memory of its process from /proc.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import amqp from 'amqplib'
import { MongoClient } from 'mongodb'
import { refuseToMeasure } from '../figures.mjs'
import { cpuSecondsOf } from '../jobs.mjs'
import { told } from './told.mjs'

const EXCHANGE = 'mongo-rabbit-cdc-bench-debezium'
const POLL_MS = 20
/** Offsets are saved each second. */
const SAVED_MS = 3_000

const { mongoUri, amqpUrl, database, collection, queue, count, server, offsets, tuned = false, prime = false } = told
const folder = mkdtempSync(join(tmpdir(), 'debezium-'))
const connection = await amqp.connect(amqpUrl)
connection.on('blocked', refuseToMeasure)
const channel = await connection.createChannel()
await channel.assertExchange(EXCHANGE, 'fanout')
await channel.bindQueue(queue, EXCHANGE, '')
const java = start()
try {
  const figures = prime ? await primed() : await measured()
  process.stdout.write(JSON.stringify(figures))
} finally {
  java.removeAllListeners('exit')
  const exited = once(java, 'exit')
  java.kill()
  await exited
  if (prime) copyFileSync(join(folder, 'offsets.dat'), offsets)
  await channel.deleteExchange(EXCHANGE)
  await connection.close()
  rmSync(folder, { recursive: true, force: true })
}

/** A document each second, until one of them has come through and its position is saved. */
async function primed() {
  const client = await new MongoClient(mongoUri).connect()
  while ((await depth()) === 0) {
    await client.db(database).collection(collection).insertOne({})
    await delay(1_000)
  }
  await delay(SAVED_MS)
  await client.close()
  return {}
}

async function measured() {
  const first = await reached(count / 100) // start-up is left out
  const half = await reached(count / 2)
  const last = await reached(count)
  const [, peakKb] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${java.pid}/status`, 'utf8'))
  const perSecond = (from, to) => Math.round(((to.events - from.events) * 1_000) / (to.at - from.at))
  return {
    perSecond: perSecond(first, last),
    warmPerSecond: perSecond(half, last),
    cpuPerThousand: (last.cpu - first.cpu) / ((last.events - first.events) / 1_000),
    peakRssMb: Number(peakKb) / 1_024,
  }
}

async function reached(wanted) {
  for (;;) {
    const events = await depth()
    if (events >= wanted) return { events, at: performance.now(), cpu: cpuSecondsOf(java.pid) }
    await delay(POLL_MS)
  }
}

async function depth() {
  return (await channel.checkQueue(queue)).messageCount
}

function start() {
  mkdirSync(join(folder, 'config'))
  writeFileSync(join(folder, 'config', 'application.properties'), properties())
  if (!prime && existsSync(offsets)) copyFileSync(offsets, join(folder, 'offsets.dat'))
  const runner = readdirSync(server).find(name => name.endsWith('runner.jar'))
  const path = [runner, 'lib/*'].map(name => join(server, name)).join(':')
  const options = { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] }
  const child = spawn('java', ['-Xmx1g', '-cp', path, 'io.debezium.server.Main'], options)
  child.on('exit', code => {
    console.error(`Debezium Server ended with code ${code}`)
    process.exit(1)
  })
  return child
}

function properties() {
  const { hostname, port, username, password, pathname } = new URL(amqpUrl)
  const lines = {
    'debezium.source.connector.class': 'io.debezium.connector.mongodb.MongoDbConnector',
    'debezium.source.mongodb.connection.string': mongoUri,
    'debezium.source.topic.prefix': 'bench',
    'debezium.source.collection.include.list': `${database}.${collection}`,
    'debezium.source.snapshot.mode': 'no_data',
    'debezium.source.offset.storage.file.filename': join(folder, 'offsets.dat'),
    'debezium.source.offset.flush.interval.ms': 1_000,
    'debezium.sink.type': 'rabbitmq',
    'debezium.sink.rabbitmq.connection.host': hostname,
    'debezium.sink.rabbitmq.connection.port': port || 5672,
    'debezium.sink.rabbitmq.connection.username': decodeURIComponent(username || 'guest'),
    'debezium.sink.rabbitmq.connection.password': decodeURIComponent(password || 'guest'),
    'debezium.sink.rabbitmq.connection.virtual.host': decodeURIComponent(pathname.slice(1)) || '/',
    'debezium.sink.rabbitmq.exchange': EXCHANGE,
    'quarkus.http.port': 0,
    'quarkus.log.level': 'WARN',
    ...(tuned && {
      'debezium.source.max.batch.size': 8_192,
      'debezium.source.max.queue.size': 32_768,
      'debezium.source.poll.interval.ms': 50,
    }),
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('')
}
