import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { read, rowsOf, sectionOf, sources } from './pages.js'

const page = 'docs/observing.md'

/** The members of an exported type, in order, each with the names in the object that its function takes. */
function membersOf(name: string): { readonly name: string; readonly payload: readonly string[] }[] {
  for (const path of sources().filter(path => read(path).includes(` ${name} `))) {
    const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest)
    for (const statement of file.statements) {
      const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)
      if (!isType || statement.name.text !== name) continue
      const body = ts.isInterfaceDeclaration(statement) ? statement : statement.type
      return propertiesIn(body).map(member => ({
        name: member.name.getText(file),
        payload: propertiesIn(member).map(parameter => parameter.name.getText(file)),
      }))
    }
  }
  throw new Error(`Expected a type ${name} under src, got none`)
}

/** The nearest property signatures below a node. */
function propertiesIn(node: ts.Node): ts.PropertySignature[] {
  const found: ts.PropertySignature[] = []
  ts.forEachChild(node, child => {
    if (ts.isPropertySignature(child)) found.push(child)
    else found.push(...propertiesIn(child))
  })
  return found
}

function rowOf(heading: string, name: string): string {
  const lines = sectionOf(page, heading).split('\n')
  return lines.find(line => line.startsWith(`| \`${name}\` |`)) ?? ''
}

describe('docs/observing.md', () => {
  describe.each([
    ['Events of the pipeline', 'PipelineEvents'],
    ['Events of the source', 'SourceEvents'],
    ['Events of the publisher', 'PublisherEvents'],
  ])('under "%s"', (heading, type) => {
    const events = membersOf(type)

    it('has one row for each event, in the order of the types', () => {
      expect(rowsOf(sectionOf(page, heading))).toEqual(events.map(({ name }) => name))
    })

    it('names every field of each payload in the row of its event', () => {
      const missing = events.flatMap(({ name, payload }) => {
        const cell = rowOf(heading, name).split(' | ')[1] ?? ''
        return payload.filter(field => !cell.includes(`\`${field}\``)).map(field => `${name}: ${field}`)
      })
      expect(missing).toEqual([])
      expect(events.every(({ payload }) => payload.length > 0)).toBe(true)
    })
  })

  it.each([
    ['health()', ['PipelineHealth']],
    ['Health of a part', ['PartHealth']],
    ['The checkpoint', ['CheckpointSummary']],
    ['The lease', ['LeaseSummary']],
    ['stats()', ['PipelineStats', 'PipelineCounters']],
  ])('has one row for each field under "%s", and no other', (heading, types) => {
    const fields = types.flatMap(type => membersOf(type).map(({ name }) => name))
    expect(rowsOf(sectionOf(page, heading)).sort()).toEqual(fields.sort())
  })
})
