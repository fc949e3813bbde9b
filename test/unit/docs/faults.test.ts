import { existsSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../../src/errors.js'
import { read, root } from './pages.js'

const page = 'docs/guarantees.md'
const HEADER = '| Fault | What happens | What you see | Test |'

/** What stands below "## Faults", by subsection. */
function sections(): [heading: string, text: string][] {
  const faults = read(page).split('\n## Faults\n')[1]?.split('\n## ')[0] ?? ''
  return faults
    .split(/^### /m)
    .slice(1)
    .map((section): [string, string] => [section.split('\n', 1)[0] ?? '', section])
    .filter(([heading]) => heading !== 'Everything at once') // no table: what the nemesis prints
}

/** The cells of the rows of all tables in a section. */
function rowsOf(section: string): string[][] {
  const lines = section.split('\n').filter(line => line.startsWith('|') && line !== HEADER && !/^[| -]+$/.test(line))
  return lines.map(line =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map(cell => cell.trim()),
  )
}

/** A test as a cell names it: `` `file.test.ts`: name ``, several of them with `<br>` between. */
interface Named {
  readonly path: string
  readonly name: string
}

function testsIn(cell: string): Named[] {
  return cell.split('<br>').map(one => {
    const [, file = '', name = ''] = /^\s*`([^`]+\.test\.ts)`: (.+?)\s*$/.exec(one) ?? []
    return { path: file.includes('/') ? file : `test/integration/${file}`, name: name.replaceAll('\\|', '|') }
  })
}

/** The titles that a file gives to its tests and suites, with `%s` and `${…}` as they stand there. */
function titlesOf(path: string): readonly string[] {
  const known = titles.get(path) ?? readTitles(path)
  titles.set(path, known)
  return known
}

const titles = new Map<string, readonly string[]>()

function readTitles(path: string): string[] {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest)
  const found: string[] = []
  const collect = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(?:it|test|describe)\b/.test(node.expression.getText(file))) {
      const [title] = node.arguments
      if (title && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title))) {
        found.push(ts.isStringLiteralLike(title) ? title.text : title.getText(file).slice(1, -1))
      }
    }
    ts.forEachChild(node, collect)
  }
  collect(file)
  return found
}

function problemOf({ path, name }: Named): string[] {
  if (name.length < 10)
    return [`Expected a file and at least ten letters of the name of a test, got "${path}: ${name}"`]
  if (!existsSync(join(root, path))) return [`There is no file ${path}`]
  return titlesOf(path).some(title => title.includes(name)) ? [] : [`No test in ${path} is named "${name}"`]
}

describe.each(sections())('the table of faults under "%s"', (_, section) => {
  const rows = rowsOf(section)

  it('has a fault, what happens, what is seen and a test in each row', () => {
    if (rows.length > 0) expect(section).toContain(`\n${HEADER}\n`)
    expect(rows.filter(row => row.length !== 4 || row.includes(''))).toEqual([])
  })

  it('names only tests that exist, or says that the row is not run', () => {
    const cells = rows.map(row => row[3] ?? '').filter(cell => !cell.startsWith('not run'))
    expect(cells.flatMap(testsIn).flatMap(problemOf)).toEqual([])
  })

  it('names only error codes that exist', () => {
    const named = [...section.matchAll(/\bCDC_\w+/g)].map(([code]) => code)
    expect(named.filter(code => !Object.hasOwn(errorCodes, code))).toEqual([])
  })
})

it('is read from the page', () => {
  expect(sections().map(([heading]) => heading)).toContain('Data')
})
