import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import { cpSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import amqp from 'amqplib'
import { type Db, MongoClient } from 'mongodb'
import { expect, inject } from 'vitest'
import { until } from '../integration/support/waiting.js'
import { installApp, type StartedProgram } from './installed-app.js'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

/** What the examples import beside this package and its peers: ours, rather than once more from the registry. */
const LINKED = ['fastify', 'express', '@nestjs', 'reflect-metadata', 'rxjs']

type Variable = 'MONGODB_URI' | 'AMQP_URL' | 'DATABASE' | 'EXCHANGE' | 'QUEUE' | 'PORT'

/** An example that runs as a service, with a database and a queue of its own. */
export interface Service {
  readonly program: StartedProgram
  readonly address: string
  readonly db: Db
  /** The next message of its queue. */
  next(): Promise<amqp.Message>
  /** Starts it once more, with the same environment, and waits until it is ready. */
  restart(): Promise<StartedProgram>
}

/** An application that has installed this package, and the examples copied out of it. */
export interface ExamplesApp {
  readonly client: MongoClient
  /** Copies an example out of the installed package, as its README says. */
  copy(example: string): void
  /** What a script of the example prints; rejects when it fails. */
  script(example: string, name: string, env?: Record<string, string>): Promise<string>
  /** Runs what `npm start` runs to its end; rejects when that is a failure. */
  run(example: string, env: Record<string, string>): Promise<{ stdout: string; stderr: string }>
  /** Starts what `npm start` starts, without npm between us and its signals. */
  start(example: string, env: Record<string, string>): StartedProgram
  /** Starts an example and waits until it is ready. */
  serve(example: string): Promise<Service>
  /** The environment of a run that has its database and its queue to itself. */
  environment(example: string): Record<Variable, string>
  /** Consumes a queue; gives its next message each time. */
  inbox(queue: string): Promise<() => Promise<amqp.Message>>
  /** Is called after the test, what was added last first. */
  afterwards(cleanUp: () => Promise<unknown>): void
  cleanUp(): Promise<void>
  close(): Promise<void>
}

/** Installs the package, and connects to both servers. */
export async function openExamples(): Promise<ExamplesApp> {
  const app = await installApp()
  for (const name of LINKED) symlinkSync(join(root, 'node_modules', name), join(app.folder, 'node_modules', name))
  const client = await new MongoClient(inject('mongoUri')).connect()
  const connection = await amqp.connect(inject('amqpUrl'))
  const cleanUps: (() => Promise<unknown>)[] = []

  function programOf(example: string): string {
    const { scripts } = JSON.parse(readFileSync(join(app.folder, example, 'package.json'), 'utf8'))
    return join(example, scripts.start.replace(/^node /, ''))
  }

  function start(example: string, env: Record<string, string>): StartedProgram {
    const program = app.start(programOf(example), env)
    cleanUps.push(() => program.stop())
    return program
  }

  /** Removes what an example may have declared under this name; what isn't there is no error. */
  async function removeTopology(name: string): Promise<void> {
    const channel = await connection.createChannel()
    await channel.deleteExchange(name)
    for (const queue of [name, `${name}.dead`]) await channel.deleteQueue(queue)
    await channel.close()
  }

  function environment(example: string): Record<Variable, string> {
    const own = `${example}-${randomUUID().slice(0, 8)}`
    const checkpoints = client.db('cdc').collection<{ _id: string }>('checkpoints')
    cleanUps.push(
      () => client.db(own).dropDatabase(),
      () => checkpoints.deleteMany({ _id: { $in: [own, `${own} to HTTP`] } }),
      () => removeTopology(own),
    )
    const servers = { MONGODB_URI: inject('mongoUri'), AMQP_URL: inject('amqpUrl') }
    return { ...servers, DATABASE: own, EXCHANGE: own, QUEUE: own, PORT: '0' }
  }

  /** Consumes a queue that is removed after the test. */
  async function inbox(queue: string): Promise<() => Promise<amqp.Message>> {
    const channel = await connection.createChannel()
    const arrived = new EventEmitter()
    const messages = on(arrived, 'message')
    await channel.assertQueue(queue)
    await channel.consume(queue, message => arrived.emit('message', message), { noAck: true })
    cleanUps.push(async () => {
      await channel.deleteQueue(queue)
      await channel.close()
    })
    return async () => (await messages.next()).value[0]
  }

  async function startReady(example: string, env: Record<string, string>): Promise<[StartedProgram, string]> {
    const program = start(example, env)
    const [, port] = await program.said(/http:\/\/\S*:(\d+)/)
    const address = `http://localhost:${port}`
    await untilReady(address)
    return [program, address]
  }

  return {
    client,
    copy: example =>
      cpSync(join(app.folder, 'node_modules/mongo-rabbit-cdc/examples', example), join(app.folder, example), {
        recursive: true,
      }),
    script: async (example, name, own = {}) => {
      const env = { ...process.env, NO_COLOR: '1', ...own }
      return (await run('npm', ['run', '--silent', name], { cwd: join(app.folder, example), env })).stdout
    },
    run: (example, env) => app.node(programOf(example), env),
    start,
    environment,
    inbox,
    serve: async example => {
      const env = environment(example)
      const next = await inbox(env.QUEUE)
      const [program, address] = await startReady(example, env)
      const restart = async (): Promise<StartedProgram> => (await startReady(example, env))[0]
      return { program, address, db: client.db(env.DATABASE), next, restart }
    },
    afterwards: cleanUp => void cleanUps.push(cleanUp),
    cleanUp: async () => {
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
    },
    close: async () => {
      await connection.close()
      await client.close()
      app.remove()
    },
  }
}

/** Asks, as a platform does, until the service is ready; what it answers before must be 503. */
async function untilReady(address: string): Promise<void> {
  await until(
    async () => {
      const response = await fetch(`${address}/health`)
      const health = await response.json()
      if (response.status === 200) expect(health).toMatchObject({ ready: true, state: 'running' })
      else expect(response.status).toBe(503)
      return response.status === 200
    },
    () => `200 from ${address}/health`,
  )
}
