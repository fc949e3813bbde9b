import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The repository. */
export const root: string = resolve(import.meta.dirname, '../../..')

/** Every page that people read, as a path in the repository. */
export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'examples/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
]

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Every TypeScript file under `src`, as a path in the repository. */
export function sources(): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => `src/${name}`)
}

/** A page without its code blocks. */
export function proseOf(path: string): string {
  return read(path).replace(/^```.*?^```$/gms, '')
}

/** The text of the headings of this level, or of all levels. */
export function headingsOf(path: string, level?: number): string[] {
  const marks = level === undefined ? '#{1,6}' : '#'.repeat(level)
  return [...proseOf(path).matchAll(new RegExp(`^${marks} (.+)$`, 'gm'))].map(match => match[1] ?? '')
}

/** What stands below a heading, up to the next heading of any level. */
export function sectionOf(path: string, heading: string): string {
  const sections = proseOf(path).split(/^#{1,6} /m)
  return sections.find(section => section.startsWith(`${heading}\n`)) ?? ''
}

/** The names in the first column of the tables in a section. */
export function rowsOf(section: string): string[] {
  return [...section.matchAll(/^\| `(\w+)` \|/gm)].map(match => match[1] ?? '')
}

/** How GitHub makes an anchor of a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}
