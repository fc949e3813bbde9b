import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { read, root } from './pages.js'

const examples = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(entry => entry.name)

describe.each(examples)('the example %s', name => {
  const manifest = JSON.parse(read(`examples/${name}/package.json`))

  it('stands in the table of contents, and has a page of its own', () => {
    expect(read('examples/README.md')).toContain(`| [${name}](${name}) |`)
    expect(existsSync(join(root, 'examples', name, 'README.md'))).toBe(true)
  })

  it('is a private ES module of this name with something to run', () => {
    expect(manifest).toMatchObject({ name, private: true, type: 'module' })
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining([expect.stringMatching(/^(start|test)$/)]))
  })

  it('asks for the versions that the tests run with', () => {
    const { version, devDependencies } = JSON.parse(read('package.json'))
    const tested: Record<string, string> = { ...devDependencies, 'mongo-rabbit-cdc': version }
    const asked: Record<string, string> = { ...manifest.dependencies, ...manifest.devDependencies }
    const major = (range = ''): string => range.replace(/^\^/, '').split('.')[0] ?? ''
    expect(Object.keys(asked).filter(key => major(asked[key]) !== major(tested[key]))).toEqual([])
  })
})

describe('docs/getting-started.md', () => {
  it('explains the quick start that ships as an example', () => {
    const first = /^```js\n(.*?)^```$/ms.exec(read('docs/getting-started.md'))?.[1]
    expect(first).toBe(read('examples/quickstart/index.js'))
  })
})
