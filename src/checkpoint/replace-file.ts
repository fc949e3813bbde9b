import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file as a whole: after a crash at any point it holds the old bytes or the new ones. Mode 0600. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  // A name of its own: two processes that save at the same time must not write into one another's file.
  const draft = `${path}.${randomUUID()}.tmp`
  try {
    await writeThrough(draft, bytes)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {})
    throw error
  }
  // Without this the rename itself may be lost with the machine.
  if (process.platform !== 'win32') await syncFolder(dirname(path))
}

async function writeThrough(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    // Some file systems have nothing to sync for a folder, and say so this way.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  } finally {
    await folder.close()
  }
}
