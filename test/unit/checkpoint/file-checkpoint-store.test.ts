import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileCheckpointStore } from '../../../src/checkpoint/file-checkpoint-store.js'
import { checkpoint, checkpointStoreContract, expectSame } from './contract.js'

checkpointStoreContract('the file store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'checkpoint-'))
  const path = join(folder, '{name}.json')
  return {
    store: fileCheckpointStore({ path }),
    reopen: () => fileCheckpointStore({ path }),
    async corrupt(name) {
      const file = path.replace('{name}', name)
      await writeFile(file, (await readFile(file, 'utf8')).replace('"t":1', '"t":2'))
    },
    remove: () => rm(folder, { recursive: true }),
  }
})

describe('the file store', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'checkpoint-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const makeIn = async (): Promise<string> => join(await mkdtemp(join(folder, 'case-')), 'checkpoint.json')

  it('takes an empty file for damaged, not for a first start', async () => {
    const path = await makeIn()
    await writeFile(path, '')
    await expect(fileCheckpointStore({ path }).load('orders')).rejects.toMatchObject({
      code: 'CDC_CHECKPOINT_CORRUPT',
      message: expect.stringMatching(/it is empty .*delete it on purpose/),
    })
  })

  it('refuses to load or overwrite the checkpoint of another pipeline', async () => {
    const path = await makeIn()
    await fileCheckpointStore({ path }).save(checkpoint({ name: 'orders' }))
    const before = await readFile(path, 'utf8')
    const other = fileCheckpointStore({ path })
    const expected = {
      code: 'CDC_CHECKPOINT_FOREIGN',
      message: expect.stringContaining('"invoices", got that of "orders"'),
    }
    await expect(other.load('invoices')).rejects.toMatchObject(expected)
    await expect(other.save(checkpoint({ name: 'invoices' }))).rejects.toMatchObject(expected)
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  it('leaves nothing but one file behind, readable for its owner alone', async () => {
    const path = await makeIn()
    const store = fileCheckpointStore({ path })
    for (let n = 0; n < 5; n++) await store.save(checkpoint())
    expect(await readdir(join(path, '..'))).toEqual(['checkpoint.json'])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('replaces a damaged file on saving: the new position is settled', async () => {
    const path = await makeIn()
    await writeFile(path, 'rubbish')
    const store = fileCheckpointStore({ path })
    await store.save(checkpoint())
    expectSame(await store.load('orders'), checkpoint())
  })

  it('survives two stores that save at the same time', async () => {
    const path = await makeIn()
    const [a, b] = [fileCheckpointStore({ path }), fileCheckpointStore({ path })]
    await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? a : b).save(checkpoint())))
    expectSame(await a.load('orders'), checkpoint())
  })

  it('refuses to load where the folder is missing, and says what to do; a save is tried again', async () => {
    const store = fileCheckpointStore({ path: join(folder, 'missing', 'checkpoint.json') })
    const expected = {
      name: 'CheckpointError',
      code: 'CDC_CHECKPOINT_FAILED',
      retryable: false,
      message: expect.stringMatching(
        /^Expected the folder of .*checkpoint\.json to exist, got none \(create it, or mount/,
      ),
    }
    await expect(store.load('orders')).rejects.toMatchObject(expected)
    await expect(store.save(checkpoint())).rejects.toMatchObject({ ...expected, retryable: true })
  })

  it('fails, to be tried again, where the file system refuses', async () => {
    const path = await makeIn()
    // A link to itself is refused for every user, also for root.
    await symlink(path, path)
    await expect(fileCheckpointStore({ path }).load('orders')).rejects.toMatchObject({
      code: 'CDC_CHECKPOINT_FAILED',
      retryable: true,
      cause: expect.objectContaining({ code: 'ELOOP' }),
    })
  })

  it('keeps every name within the folder', async () => {
    const store = fileCheckpointStore({ path: join(folder, 'names-{name}') })
    const inside = fileCheckpointStore({ path: join(folder, '{name}') })
    for (const name of ['..', '.', '../../x', 'a/b', 'a\\b', '$&', '*', 'Zoë', 'c:d']) {
      await store.save(checkpoint({ name }))
      await inside.save(checkpoint({ name }))
      expectSame(await inside.load(name), checkpoint({ name }))
    }
    expect((await readdir(folder)).filter(name => name.startsWith('names-')).sort()).toHaveLength(9)
  })

  it('refuses a missing path and unknown options', () => {
    expect(() => fileCheckpointStore({ path: '' })).toThrow('Expected `path` to be a string that is not empty')
    expect(() => fileCheckpointStore({ path: 'x', dir: 'y' } as never)).toThrow('Unknown option `dir`')
  })
})
