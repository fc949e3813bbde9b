import type { MongoClient, Timestamp } from 'mongodb'
import { sleep } from '../../src/waiting.js'
import { type TrueEvent, truth } from '../integration/support/truth.js'
import type { TrueChange } from './history.js'
import { deletedMark } from './writers.js'

const LONGEST_MS = 60_000

/** All events of a database from a time on, as the checker wants them; read again where a member goes away meanwhile. */
export async function readTruth(client: MongoClient, database: string, from: Timestamp): Promise<TrueChange[]> {
  const end = performance.now() + LONGEST_MS
  for (;;) {
    try {
      return (await truth(client, { database }, from)).map(changeOf)
    } catch (error) {
      // A member that has just come back answers, but doesn't know its time yet.
      if (performance.now() > end) throw error
      await sleep(500)
    }
  }
}

function changeOf({ token, operation, document, event }: TrueEvent): TrueChange {
  const { fullDocument, updateDescription, ns, documentKey } = event
  const mark = fullDocument?.n ?? updateDescription?.updatedFields?.n
  const deleted = operation === 'delete' ? deletedMark(ns.db, ns.coll, documentKey._id) : undefined
  return { token, document, mark: deleted ?? mark }
}
