import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RabbitVhost } from '../../scripts/services/index.mjs'
import type { ChildOptions } from './child-options.js'
import type { Settings } from './settings.js'
import type { World } from './world.js'

/** What a run has for itself. */
export interface Place {
  readonly database: string
  readonly vhost: RabbitVhost
  /** For what is kept of a run that fails. */
  readonly folder: string
  readonly child: ChildOptions
}

export const COLLECTIONS: readonly string[] = ['orders', 'customers', 'items']

let places = 0

export async function makePlace(world: World, settings: Settings): Promise<Place> {
  const database = `nemesis_${places++}`
  const db = world.admin.db(database)
  for (const name of COLLECTIONS) await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
  const vhost = await world.rabbit.vhost()
  await grant(world, vhost)
  const folder = mkdtempSync(join(tmpdir(), 'cdc-nemesis-'))
  const { name, password } = world.amqpUser
  const child = {
    mongoUri: world.childMongoUri,
    amqpUrl: `amqp://${name}:${password}@127.0.0.1:${world.amqpProxy.port}/${encodeURIComponent(vhost.name)}`,
    database,
    checkpoints: `${database}_positions`,
    exchange: 'changes',
    queue: 'events',
    deadLetters: 'dead',
    settings,
    log: join(folder, 'pipeline.jsonl'),
    ports: world.ports,
  }
  return { database, vhost, folder, child }
}

export async function grant({ rabbit, amqpUser }: World, vhost: RabbitVhost, write = '.*'): Promise<void> {
  await rabbit.rabbitmqctl('set_permissions', '-p', vhost.name, amqpUser.name, '.*', write, '.*')
}

export async function leavePlace(world: World, { database, vhost, child }: Place): Promise<void> {
  await Promise.allSettled([
    vhost.remove(),
    world.admin.db(database).dropDatabase(),
    world.admin.db(child.checkpoints).dropDatabase(),
  ])
}
