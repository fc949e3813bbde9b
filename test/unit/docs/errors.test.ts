import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../../src/errors.js'
import { headingsOf, read, sectionOf, sources } from './pages.js'

const page = 'docs/errors.md'
const codes = Object.keys(errorCodes)
const code = read('src/errors.ts')
const rest = sources()
  .filter(path => path !== 'src/errors.ts')
  .map(read)
  .join('\n')

/** Captions and codes of the table as they stand there, one after the other. */
function table(): string[] {
  const lines = code.split('export const errorCodes = {')[1]?.split('} as const')[0] ?? ''
  return [...lines.matchAll(/^ {2}(?:\/\/ (.+)|(CDC_\w+):)/gm)].map(match => match[1] ?? match[2] ?? '')
}

describe('docs/errors.md', () => {
  it('has one entry for each code, in the order and the groups of the table, and none without a code', () => {
    const headings = headingsOf(page).filter(heading => heading !== 'Errors')
    expect(headings).toEqual(table())
  })

  it.each(codes)('says of %s where it shows, what follows, whether it is retried and what to do', name => {
    const section = sectionOf(page, name)
    for (const label of ['Where', 'Then', 'Retried', 'Do'])
      expect(section).toMatch(new RegExp(`^- \\*\\*${label}:\\*\\* `, 'm'))
  })

  it('knows no code that nothing gives', () => {
    expect(codes.filter(name => !rest.includes(`'${name}'`))).toEqual([])
  })

  it('names no code that does not exist', () => {
    const named = [...read(page).matchAll(/`(CDC_\w+)`/g)].map(match => match[1] ?? '')
    expect(named.filter(name => !codes.includes(name))).toEqual([])
  })
})
