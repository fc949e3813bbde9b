import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replaceFile } from '../../../src/checkpoint/replace-file.js'

describe('replaceFile', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'replace-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('never shows a reader anything but the old or the new bytes', async () => {
    const path = join(folder, 'file')
    const contents = ['a'.repeat(50_000), 'b'.repeat(70_000)].map(text => Buffer.from(text))
    await replaceFile(path, contents[0]!)
    let done = false
    const writing = (async () => {
      for (let n = 1; n <= 50; n++) await replaceFile(path, contents[n % 2]!)
      done = true
    })()
    while (!done) {
      const seen = await readFile(path)
      expect(contents.some(content => content.equals(seen))).toBe(true)
    }
    await writing
  })

  it('keeps what is there, and leaves nothing beside it, when the new file can not take its place', async () => {
    const path = join(folder, 'taken')
    await mkdir(path)
    await writeFile(join(path, 'inside'), 'old')
    await expect(replaceFile(path, Buffer.from('new'))).rejects.toThrow()
    expect(await readdir(folder)).toEqual(['taken'])
    expect(await readFile(join(path, 'inside'), 'utf8')).toBe('old')
  })

  it('replaces a link, not the file it points to', async () => {
    const [target, path] = [join(folder, 'target'), join(folder, 'link')]
    await writeFile(target, 'old')
    await symlink(target, path)
    await replaceFile(path, Buffer.from('new'))
    expect([await readFile(target, 'utf8'), await readFile(path, 'utf8')]).toEqual(['old', 'new'])
  })
})
