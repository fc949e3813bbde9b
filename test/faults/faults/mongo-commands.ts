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

/** A fault that met nothing has not come about. */
function assertMet(count: number, what: string): void {
  if (count === 0) throw new Error(`No ${what} of the pipeline was there`)
}

/** Operations and cursors of the pipeline's own client. */
async function operations({ world: { admin } }: Stage): Promise<Document[]> {
  const wanted = { appName: APP_NAME }
  return await admin
    .db('admin')
    .aggregate([{ $currentOp: { allUsers: true, idleCursors: true } }, { $match: wanted }])
    .toArray()
}

/** What a server says when it is interrupted, steps down, shuts down, or knows nothing of a cursor any more. */
const PASSING = [11601, 43, 91, 189, 50, 262, 8, 6, 234]

/** MongoDB kills or fails what the pipeline asks it. */
export const mongoCommands = family('mongodb', {
  'reads are killed': async stage => {
    let killed = 0
    for (let i = 0; i < 3; i++) {
      const reads = (await operations(stage)).filter(({ command }) => command?.getMore !== undefined && command)
      for (const { opid } of reads) {
        if (!opid) continue
        await stage.world.admin.db('admin').command({ killOp: 1, op: opid })
        killed += 1
      }
      await sleep(stage.lengthMs / 4)
    }
    assertMet(killed, 'read')
  },
  'cursors are killed': async stage => {
    let killed = 0
    for (const { ns, cursor } of await operations(stage)) {
      if (!cursor) continue
      killed += 1
      const [database, ...collection] = String(ns).split('.')
      const killCursors = collection.join('.')
      await stage.world.admin.db(database).command({ killCursors, cursors: [cursor.cursorId] })
    }
    assertMet(killed, 'cursor')
  },
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
