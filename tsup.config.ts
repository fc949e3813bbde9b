import { defineConfig, type Options } from 'tsup'

// Two builds, because p-retry is ESM-only: the ESM build imports it, the CJS build carries it (Jest on Node 20 can't
// require an ES module). `prebuild` empties dist: two builds that clean would delete each other's files.
const shared: Options = {
  entry: { index: 'src/index.ts', testing: 'src/testing/index.ts' },
  target: 'node20.19',
  platform: 'node',
  sourcemap: true,
  splitting: false,
  dts: { resolve: ['typed-emitter'] },
}

export default defineConfig([
  { ...shared, format: 'esm' },
  {
    ...shared,
    format: 'cjs',
    noExternal: ['p-retry', 'is-network-error'],
    // As `require`: Jest runs CommonJS in a context that has no `import()`.
    esbuildOptions: options => {
      options.supported = { 'dynamic-import': false }
    },
    banner: { js: '/* Contains p-retry and is-network-error, MIT licence, (c) Sindre Sorhus */' },
  },
])
