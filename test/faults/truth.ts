import type { MongoClient, Timestamp } from 'mongodb'
import { type TrueEvent, truth } from '../integration/support/truth.js'
import type { TrueChange } from './history.js'
import { deletedMark } from './writers.js'

/** All events of a database from a time on, as the checker wants them; read again where a member goes away meanwhile. */
export async function readTruth(client: MongoClient, database: string, from: Timestamp): Promise<TrueChange[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await truth(client, { database }, from)).map(changeOf)
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

function changeOf({ token, operation, document, event }: TrueEvent): TrueChange {
  const { fullDocument, updateDescription, ns, documentKey } = event
  const mark = fullDocument?.n ?? updateDescription?.updatedFields?.n
  const deleted = operation === 'delete' ? deletedMark(ns.db, ns.coll, documentKey._id) : undefined
  return { token, document, mark: deleted ?? mark }
}
