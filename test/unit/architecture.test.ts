import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const source = resolve(import.meta.dirname, '../../src')

interface SourceFile {
  readonly path: string
  readonly folder: string
  readonly text: string
  readonly lines: number
}

const files: SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .map(path => {
    const text = readFileSync(join(source, path), 'utf8')
    return { path, folder: dirname(path), text, lines: text.split('\n').length - 1 }
  })

/** Folders of this package that a file imports from; `.` is the root. */
function importedFolders({ path, text }: SourceFile): string[] {
  const specifiers = [...text.matchAll(/from '(\.[^']*)'/g)].map(match => match[1] ?? '')
  return specifiers.map(specifier => dirname(relative(source, resolve(source, dirname(path), specifier))))
}

/** Packages that a file needs at run time as soon as it is loaded. */
function staticImports({ text }: SourceFile): string[] {
  // No slash: an `import` in the example of a doc comment is none.
  const statements = [...text.matchAll(/^(import|export) (?!type )[^'/]*? from '([^.'][^']*)'/gm)]
  return statements.map(match => match[2] ?? '').filter(name => !name.startsWith('node:'))
}

// The testing kit shows events as the source does; the outbox makes messages.
const MAY_IMPORT: Record<string, readonly string[]> = { rabbit: ['message'], outbox: ['message'], testing: ['source'] }

describe('the structure of the sources', () => {
  it.each(files.filter(file => file.path !== 'index.ts').map(file => [file.path, file] as const))(
    'lets %s import root files and its own folder only',
    (_, file) => {
      const allowed = ['.', file.folder, ...(MAY_IMPORT[file.folder] ?? [])]
      expect(importedFolders(file).filter(folder => !allowed.includes(folder))).toEqual([])
    },
  )

  it('loads mongodb and amqplib only when something is opened, and nothing else but p-retry at all', () => {
    const packages = new Set(files.flatMap(staticImports))
    expect([...packages]).toEqual(['p-retry'])
  })

  it('loads mongodb only in the file of the client, and amqplib only in rabbit', () => {
    const foldersWith = (pattern: RegExp): string[] => [
      ...new Set(files.filter(file => pattern.test(file.text)).map(file => file.folder)),
    ]
    expect(foldersWith(/import\('mongodb'\)/)).toEqual(['.'])
    expect(foldersWith(/import\('amqplib'\)/)).toEqual(['rabbit'])
  })

  it('keeps every file under 250 lines', () => {
    expect(files.filter(file => file.lines > 250).map(file => file.path)).toEqual([])
  })

  it('has no default export, no enum and no export of everything', () => {
    const found = files.filter(file => /^export default|^(export )?(const )?enum |^export \*/m.test(file.text))
    expect(found.map(file => file.path)).toEqual([])
  })
})
