import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'amqplib'
import type { ChildOptions } from './child-options.js'
import type { Plan } from './plan.js'
import type { World } from './world.js'

/** What a run has for itself. */
export interface Place {
  readonly database: string
  /** For what is kept of a run that fails. */
  readonly folder: string
  readonly child: ChildOptions
}

export const COLLECTIONS: readonly string[] = ['orders', 'customers', 'items']

let places = 0

export async function makePlace(world: World, { settings, seed }: Plan): Promise<Place> {
  const database = `nemesis_${places++}`
  const db = world.admin.db(database)
  for (const name of COLLECTIONS) await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
  const folder = mkdtempSync(join(tmpdir(), 'cdc-nemesis-'))
  const { name, password } = world.amqpUser
  const child = {
    mongoUri: world.childMongoUri,
    amqpUrl: `amqp://${name}:${password}@127.0.0.1:${world.amqpProxy.port}/${encodeURIComponent(world.vhost.name)}`,
    database,
    checkpoints: `${database}_positions`,
    exchange: `changes-${database}`,
    queue: `events-${database}`,
    deadLetters: `dead-${database}`,
    settings,
    seed,
    log: join(folder, 'pipeline.jsonl'),
    ports: world.ports,
  }
  return { database, folder, child }
}

/** Removes what the run had on the servers. */
export async function leavePlace({ admin, vhost }: World, { database, child }: Place): Promise<void> {
  const connection = await connect(vhost.url)
  const channel = await connection.createChannel()
  for (const queue of [child.queue, child.deadLetters]) await channel.deleteQueue(queue)
  await channel.deleteExchange(child.exchange)
  await connection.close()
  await admin.db(database).dropDatabase()
  await admin.db(child.checkpoints).dropDatabase()
}
