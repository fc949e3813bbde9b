import type { Collection, MongoClient } from 'mongodb'
import { loadMongo } from '../mongo-client.js'
import { assertKnown, assertText, fail } from '../options.js'
import type { CheckpointStore } from '../types.js'
import { failed } from './errors.js'
import { openClient } from './mongo-client.js'
import { readOptions, type StoredDocument, toCheckpoint, toUpdate } from './mongo-document.js'
import { acquireLease, type Leased, releaseLease, renewLease } from './mongo-lease.js'
import { saveFreely, saveUnderLease } from './mongo-save.js'
import type { Bson } from './stored-checkpoint.js'

/** Options of {@link mongoCheckpointStore}: a client or a URI, and where to. */
export type MongoCheckpointStoreOptions = MongoCheckpointStorePlace &
  (
    | {
        /** Of the application; stays open when the store is closed. Give it a short `serverSelectionTimeoutMS`. */
        readonly client: MongoClient
        readonly uri?: never
      }
    | {
        /** Connection string, for a client of the store's own, which `close()` closes. */
        readonly uri: string
        readonly client?: never
      }
  )

/** Where {@link mongoCheckpointStore} writes. */
export interface MongoCheckpointStorePlace {
  /**
   * Best not the one that is watched, so that the store's user needs `find`, `insert` and `update` on one collection only.
   * Where it is watched after all, the pipeline excludes the collection. Not `admin`, `local` or `config`.
   * @default 'cdc'
   */
  readonly database?: string
  /** Holds one document per pipeline, `_id` is its name. Made by the server on the first save. @default 'checkpoints' */
  readonly collection?: string
}

/**
 * Keeps checkpoints in MongoDB, written with `majority` and journal, read from the primary with `majority`: what was
 * saved survives the loss of any one member. Needs `find`, `insert` and `update` on its collection. A document that was
 * changed is refused, never taken for a first start. The lease of the pipeline's option `lease` stands in the same
 * document, with times by the clock of the primary: members whose clocks differ by more than a tenth of `ttlMs` can give
 * it to a second instance too early, whose epoch then refuses what the first one saves.
 *
 * @throws OptionsError when called, for a missing, unknown or contradictory option; for a `uri` that can't be parsed from
 * the first `load` or `save`
 * @throws CheckpointError `CDC_CHECKPOINT_CORRUPT` from `load`; `CDC_FENCED` from `save`, when another instance has the
 * lease; `CDC_CHECKPOINT_FAILED` from every call, retryable when MongoDB can't be reached or doesn't get the write to a
 * majority within 10 seconds, not when it refuses the user. Behind a refusal the next call of a store with a `uri` logs in
 * anew; a `client` keeps its connections, and with them a user that was dropped, whether or not it is made again
 *
 * @example
 * import { mongoCheckpointStore } from 'mongo-rabbit-cdc'
 *
 * const checkpointStore = mongoCheckpointStore({ uri: 'mongodb://localhost:27017/?replicaSet=rs0' })
 */
export function mongoCheckpointStore(options: MongoCheckpointStoreOptions): CheckpointStore {
  assertKnown('mongoCheckpointStore', options, ['client', 'uri', 'database', 'collection'])
  const database = assertText('database', options.database ?? 'cdc', 63)
  const collection = assertText('collection', options.collection ?? 'checkpoints', 200)
  if (['admin', 'local', 'config'].includes(database)) fail('database', 'none of admin, local and config', database)
  const source = openClient(options)
  const where = `the collection ${database}.${collection}`

  const attempt = async <T>(
    what: Parameters<typeof failed>[0],
    call: (documents: Collection<StoredDocument>, bson: Bson) => Promise<T>,
  ): Promise<T> => {
    try {
      const { BSON } = await loadMongo()
      return await source.use(client => call(client.db(database).collection<StoredDocument>(collection), BSON))
    } catch (error) {
      throw failed(what, where, error)
    }
  }
  const attemptLease = <T>(
    what: 'acquire' | 'renew' | 'release',
    call: (documents: Leased) => Promise<T>,
  ): Promise<T> => attempt(what, documents => call(documents as unknown as Leased))

  return {
    namespace: { database, collection },
    load: name =>
      attempt('load', async (documents, bson) => {
        const document = await documents.findOne({ _id: name }, readOptions)
        return document === null ? undefined : toCheckpoint(bson, document, where)
      }),
    save: checkpoint =>
      attempt('save', async (documents, bson) => {
        const { name, epoch } = checkpoint
        const fields = toUpdate(bson, checkpoint)
        if (epoch === undefined) await saveFreely(documents, name, fields, where)
        else await saveUnderLease(documents, name, epoch, fields, where)
      }),
    async acquire(request) {
      const epoch = await attemptLease('acquire', documents => acquireLease(documents, request))
      if (epoch === undefined) return undefined
      const { name, holder, ttlMs } = request
      const ours = { _id: name, 'lease.holder': holder, 'lease.epoch': epoch }
      return {
        epoch,
        renew: () => attemptLease('renew', documents => renewLease(documents, ours, ttlMs)),
        release: () => attemptLease('release', documents => releaseLease(documents, ours)),
      }
    },
    close: source.close,
  }
}
