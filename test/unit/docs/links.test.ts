import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchorOf, headingsOf, pages, proseOf, read, root } from './pages.js'

interface Link {
  /** The page that it leads to, as a path in the repository. */
  readonly target: string
  readonly anchor: string | undefined
  readonly text: string
}

/** The links of a page that stay within the repository. */
function linksOf(page: string): Link[] {
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1] ?? '')
  return links
    .filter(link => !/^[a-z]+:/.test(link))
    .map(text => {
      const [path = '', anchor] = text.split('#')
      return { target: path === '' ? page : normalize(join(dirname(page), path)), anchor, text }
    })
}

/** Paths of the repository that a page names, code blocks included; of a pattern its folder. */
function pathsIn(page: string): string[] {
  const named = [...read(page).matchAll(/(?<![\w./-])(?:src|test|scripts|docs)\/[\w./*-]*/g)].map(match => match[0])
  return named.map(path => path.replace(/[^/]*\*.*$/, '').replace(/[.,]+$/, ''))
}

describe.each(pages)('%s', page => {
  it('links only to files and headings that exist', () => {
    const broken = linksOf(page).filter(({ target, anchor }) => {
      if (!existsSync(join(root, target))) return true
      return anchor !== undefined && !headingsOf(target).map(anchorOf).includes(anchor)
    })
    expect(broken.map(({ text }) => text)).toEqual([])
  })

  it('names only paths of this repository that exist', () => {
    expect(pathsIn(page).filter(path => !existsSync(join(root, path)))).toEqual([])
  })
})

describe('docs/life-of-a-change.md', () => {
  const page = 'docs/life-of-a-change.md'

  it('names at most eight files to read', () => {
    expect(new Set(pathsIn(page)).size).toBeLessThanOrEqual(8)
  })

  it('names only functions and members that stand in the file beside them', () => {
    const steps =
      proseOf(page)
        .split('## What happens when')[0]
        ?.split(/\n\n(?=\*\*\d)/) ?? []
    const missing = steps.slice(1).flatMap(step => {
      const files = pathsIn(page).filter(path => step.includes(path))
      const code = files.map(read).join('\n')
      const heading = step.split(/\.\*\*\s/)[0] ?? ''
      const names = [...heading.replace(/src\/[\w./-]+/g, '').matchAll(/`([\w.#]+)`/g)].map(match => match[1] ?? '')
      return names.flatMap(name => name.split('.')).filter(name => !code.includes(name))
    })
    expect(missing).toEqual([])
  })
})
