import { access, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { loadBson } from '../mongo-client.js'
import { assertKnown, assertText } from '../options.js'
import type { Checkpoint, CheckpointStore } from '../types.js'
import { failed, folderMissing, foreign } from './errors.js'
import { fromFile, toFile } from './file-format.js'
import { replaceFile } from './replace-file.js'
import type { Bson } from './stored-checkpoint.js'

/** Options of {@link fileCheckpointStore}. */
export interface FileCheckpointStoreOptions {
  /**
   * The file of one pipeline. With `{name}` in it, which becomes the pipeline's name, one path serves several; without,
   * a second pipeline is refused with `CDC_CHECKPOINT_FOREIGN`. The folder must exist: one that isn't mounted must not
   * look like a first start. It has to survive the process, and only one process may write there at a time.
   * A crash in the middle of a save leaves a `.tmp` file beside it, which may be deleted.
   */
  readonly path: string
}

/**
 * Keeps the checkpoint in a file, replaced as a whole each time: a crash, also of the machine, leaves the old or the
 * new one. Only the user that runs the pipeline may read it, because tokens hold the `_id` of documents.
 *
 * A file that is empty, truncated or changed by as little as a byte is refused, never taken for a first start.
 *
 * @throws OptionsError when called, for a missing or unknown option
 * @throws CheckpointError `CDC_CHECKPOINT_CORRUPT` or `CDC_CHECKPOINT_FOREIGN` from `load` and, so that no pipeline
 * overwrites another's, the second from `save`; `CDC_CHECKPOINT_FAILED`, retryable when the file system refuses,
 * but not from `load` when the folder is missing
 *
 * @example
 * import { fileCheckpointStore } from 'mongo-rabbit-cdc'
 *
 * const checkpointStore = fileCheckpointStore({ path: '/var/lib/shop/{name}.checkpoint.json' })
 */
export function fileCheckpointStore(options: FileCheckpointStoreOptions): CheckpointStore {
  assertKnown('fileCheckpointStore', options, ['path'])
  const template = assertText('path', options.path)
  return {
    async load(name) {
      const path = pathOf(template, name)
      try {
        const bytes = await readIfThere(path, false)
        return bytes && owned(fromFile(await loadBson(), bytes, path), name, path)
      } catch (error) {
        throw failed('load', path, error)
      }
    },
    async save(checkpoint) {
      const path = pathOf(template, checkpoint.name)
      try {
        const bson = await loadBson()
        const bytes = toFile(bson, checkpoint)
        const present = readable(bson, await readIfThere(path, true), path)
        if (present) owned(present, checkpoint.name, path)
        await replaceFile(path, bytes)
      } catch (error) {
        throw failed('save', path, error)
      }
    },
  }
}

/** No name can leave the folder: of `../x` remains `%2E.%2Fx`. */
function pathOf(template: string, name: string): string {
  const safe = encodeURIComponent(name).replace(/^\./, '%2E').replaceAll('*', '%2A')
  return template.replaceAll('{name}', () => safe)
}

async function readIfThere(path: string, mayComeBack: boolean): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await access(dirname(path)).catch(() => {
      throw folderMissing(path, mayComeBack)
    })
    return undefined
  }
}

/** What can't be read belongs to nobody: the new position, which is settled, repairs it. */
function readable(bson: Bson, bytes: Buffer | undefined, path: string): Checkpoint | undefined {
  try {
    return bytes && fromFile(bson, bytes, path)
  } catch {
    return undefined
  }
}

function owned(checkpoint: Checkpoint, name: string, path: string): Checkpoint {
  if (checkpoint.name !== name) throw foreign(path, checkpoint.name, name)
  return checkpoint
}
