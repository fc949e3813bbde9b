import type { Document } from 'mongodb'
import { sleep } from '../../../src/waiting.js'
import { family, type Stage } from '../stage.js'
import { APP_NAME } from '../world.js'

/** Fails commands of the pipeline on the primary; what isn't used up is taken back. */
export async function failing(stage: Stage, data: Document, mode: Document | string): Promise<void> {
  const { world } = stage
  const node = await world.mongo.primary()
  const failCommand = { configureFailPoint: 'failCommand' }
  await world.onMember(node, { ...failCommand, mode, data: { appName: APP_NAME, ...data } })
  await stage.last()
  await world.onMember(node, { ...failCommand, mode: 'off' })
}

/** A pipeline that opens again has neither read nor cursor for a while. */
const LOOK_FOR_MS = 10_000
const LOOK_EVERY_MS = 50

/** Kills until something was there to be killed: a fault that met nothing has not come about. */
async function met(what: string, kill: () => Promise<number>): Promise<void> {
  const end = performance.now() + LOOK_FOR_MS
  while ((await kill()) === 0) {
    if (performance.now() > end) throw new Error(`No ${what} of the pipeline was there within ${LOOK_FOR_MS} ms`)
    await sleep(LOOK_EVERY_MS)
  }
}

/** Operations and cursors of the pipeline's own client. */
async function operations({ world: { admin } }: Stage): Promise<Document[]> {
  const wanted = { appName: APP_NAME }
  return await admin
    .db('admin')
    .aggregate([{ $currentOp: { allUsers: true, idleCursors: true } }, { $match: wanted }])
    .toArray()
}

/** Returns how many there were. */
async function killReads(stage: Stage): Promise<number> {
  const reads = (await operations(stage)).filter(({ opid, command }) => opid && command?.getMore !== undefined)
  for (const { opid } of reads) await stage.world.admin.db('admin').command({ killOp: 1, op: opid })
  return reads.length
}

/** Returns how many there were. */
async function killCursors(stage: Stage): Promise<number> {
  const open = (await operations(stage)).filter(({ cursor }) => cursor)
  for (const { ns, cursor } of open) {
    const [database, ...collection] = String(ns).split('.')
    const command = { killCursors: collection.join('.'), cursors: [cursor.cursorId] }
    await stage.world.admin.db(database).command(command)
  }
  return open.length
}

/** What a server says when it is interrupted, steps down, shuts down, or knows nothing of a cursor any more. */
const PASSING = [11601, 43, 91, 189, 50, 262, 8, 6, 234]

/** MongoDB kills or fails what the pipeline asks it. */
export const mongoCommands = family('mongodb', {
  'reads are killed': async stage => {
    await met('read', () => killReads(stage))
    for (let i = 0; i < 2; i++) {
      await sleep(stage.lengthMs / 4)
      await killReads(stage)
    }
  },
  'cursors are killed': stage => met('cursor', () => killCursors(stage)),
  'all sessions are killed': async ({ world }) => void (await world.admin.db('admin').command({ killAllSessions: [] })),
  'reads fail': stage =>
    failing(stage, { failCommands: ['getMore'], errorCode: stage.random.pick(PASSING) }, { times: 3 }),
  'opening fails': stage =>
    failing(stage, { failCommands: ['aggregate', 'getMore'], errorCode: stage.random.pick(PASSING) }, { times: 6 }),
  'the position is not found': stage => failing(stage, { failCommands: ['getMore'], errorCode: 280 }, { times: 1 }),
  'reads lose their connection': stage =>
    failing(stage, { failCommands: ['getMore'], closeConnection: true }, { times: 3 }),
  'reads are slow': stage =>
    failing(stage, { failCommands: ['getMore'], blockConnection: true, blockTimeMS: 700 }, { times: 5 }),
})

/** The store refuses or delays positions; reading goes on. */
export const store = family('store', {
  'saves fail': stage => failing(stage, { ...saves(stage), errorCode: 11600 }, 'alwaysOn'),
  'saves are slow': stage => failing(stage, { ...saves(stage), blockConnection: true, blockTimeMS: 900 }, 'alwaysOn'),
})

function saves({ place: { child } }: Stage): Document {
  return { failCommands: ['update'], namespace: `${child.checkpoints}.checkpoints` }
}
