import { build } from 'esbuild'
import { expect, it } from 'vitest'

it('steps keep their names in a bundle, so that errors name them', async () => {
  const contents = `
    export { map } from './src/transform/map.js'
    export { filter } from './src/transform/filter.js'
    export { pipe } from './src/transform/pipe.js'
    export { onlyOperations } from './src/transform/only-operations.js'
    export { whenChanged } from './src/transform/when-changed.js'
    export { onlyNamespaces } from './src/transform/only-namespaces.js'`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    write: false,
  })
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')
  const bundled = await import(/* @vite-ignore */ `data:text/javascript;base64,${code}`)
  const { map, filter, pipe, onlyOperations, onlyNamespaces, whenChanged } = bundled
  const same = (x: unknown): unknown => x
  const steps = [map(same), filter(same), onlyOperations('insert'), onlyNamespaces('a.b'), whenChanged('a')]
  const made = [...steps, pipe(...steps)]
  const names = ['map', 'filter', 'onlyOperations', 'onlyNamespaces', 'whenChanged', 'pipe']
  expect(made.map(step => step.name)).toEqual(names)
  expect(() => pipe(map(() => undefined))({})).toThrow('Step 1 of 1 of the pipe, `map`')
  expect(() => pipe(map)).toThrow('got the factory `map`')
})
